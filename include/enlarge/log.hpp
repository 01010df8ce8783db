// SPDX-License-Identifier: Apache-2.0
// Where notices go. The library never prints: it hands each line to a sink that the application sets.
#pragma once

#include <functional>
#include <string>

namespace enlarge {

enum class LogLevel { debug, info, notice, warning };

using LogSink = std::function<void(LogLevel, const std::string&)>;

// Sets the sink for the whole process; an empty function silences. Thread-safe. Calls to the sink are serialised.
void set_log_sink(LogSink sink);

// Hands one line, without a newline, to the sink.
void log(LogLevel level, const std::string& line);

}  // namespace enlarge
