// SPDX-License-Identifier: Apache-2.0
#include "base/log_scope.hpp"

#include <mutex>
#include <utility>

namespace enlarge {
namespace {

struct Sink {
    std::mutex mutex;
    LogSink function;
};

Sink& process_sink() {
    static Sink instance;
    return instance;
}

thread_local SharedLogSink thread_sink;

}  // namespace

void set_log_sink(LogSink function) {
    const std::lock_guard lock(process_sink().mutex);
    process_sink().function = std::move(function);
}

SharedLogSink current_log() { return thread_sink; }

LogScope::LogScope(SharedLogSink sink) : before_(thread_sink) {
    if (sink) thread_sink = std::move(sink);
}
LogScope::~LogScope() { thread_sink = std::move(before_); }

SharedLogSink share(LogSink sink) {
    if (!sink) return nullptr;
    auto own = std::make_shared<Sink>();
    own->function = std::move(sink);
    return std::make_shared<const LogSink>([own](LogLevel level, const Notice& line) {
        const std::lock_guard lock(own->mutex);
        own->function(level, line);
    });
}

void log(LogLevel level, const Notice& line) {
    if (const SharedLogSink sink = thread_sink) return (*sink)(level, line);
    const std::lock_guard lock(process_sink().mutex);
    if (process_sink().function) process_sink().function(level, line);
}

}  // namespace enlarge
