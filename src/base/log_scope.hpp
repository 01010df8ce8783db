// SPDX-License-Identifier: Apache-2.0
// Whose lines go where: those of an engine's work to its sink, all others to the process's.
#pragma once

#include <memory>

#include "enlarge/log.hpp"

namespace enlarge {

// A sink that calls of many threads share, one at a time; null: the process's.
using SharedLogSink = std::shared_ptr<const LogSink>;

// The one that holds on this thread. Whoever starts a thread for the same work hands it on.
SharedLogSink current_log();

// While this lives, lines that this thread writes go to `sink`. Null changes nothing.
class LogScope {
public:
    explicit LogScope(SharedLogSink sink);
    ~LogScope();
    LogScope(const LogScope&) = delete;
    LogScope& operator=(const LogScope&) = delete;

private:
    SharedLogSink before_;
};

// Wraps a caller's sink, so that its calls are serialised; null for an empty one.
SharedLogSink share(LogSink sink);

}  // namespace enlarge
