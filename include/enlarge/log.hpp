// SPDX-License-Identifier: Apache-2.0
// Where notices go. The library never prints: it hands each line to a sink that the application sets.
#pragma once

#include <functional>
#include <string>

#include "enlarge/notice.hpp"

namespace enlarge {

enum class LogLevel { debug, info, notice, warning };

// The line is without a newline; notices and warnings carry a code.
using LogSink = std::function<void(LogLevel, const Notice& line)>;

// Sets the sink for the whole process; an empty function silences. Thread-safe. Calls to the sink are serialised.
void set_log_sink(LogSink sink);

// Hands one line, without a newline, to the sink: log(LogLevel::warning, {"input-ended-early", path + ": ..."}).
void log(LogLevel level, const Notice& line);

}  // namespace enlarge
