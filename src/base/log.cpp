// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <mutex>
#include <utility>

namespace enlarge {
namespace {

struct Sink {
    std::mutex mutex;
    LogSink function;
};

Sink& sink() {
    static Sink instance;
    return instance;
}

}  // namespace

void set_log_sink(LogSink function) {
    const std::lock_guard lock(sink().mutex);
    sink().function = std::move(function);
}

void log(LogLevel level, const Notice& line) {
    const std::lock_guard lock(sink().mutex);
    if (sink().function) sink().function(level, line);
}

}  // namespace enlarge
