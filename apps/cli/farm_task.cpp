// SPDX-License-Identifier: Apache-2.0
#include "farm_task.hpp"

#include <charconv>
#include <optional>

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;

std::optional<int> whole(const std::string& text) {
    int number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number < 0) return std::nullopt;
    return number;
}

// A scheduler's variable with the task's number, and the one with the first number where it has one.
struct Scheduler {
    const char *number, *first;
};
constexpr Scheduler kSchedulers[] = {
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN"},
    {"JOB_COMPLETION_INDEX", nullptr},
    {"AWS_BATCH_JOB_ARRAY_INDEX", nullptr},
    {"SGE_TASK_ID", "SGE_TASK_FIRST"},
    {"PBS_ARRAY_INDEX", nullptr},
};

}  // namespace

enlarge::Result<std::vector<std::pair<int, int>>> parse_tasks(const std::string& text,
                                                              const std::function<std::string(const char*)>& variable) {
    if (text != "auto") {
        const auto hyphen = text.find('-');
        const auto from = whole(text.substr(0, hyphen));
        const auto to = hyphen == std::string::npos ? from : whole(text.substr(hyphen + 1));
        if (from && to && *from <= *to) return std::vector{std::pair{*from, *to}};
        return Error{Errc::argument, "--task '" + text + "' should be a number from 0, two as 7-9, or auto"};
    }
    std::string looked;
    for (const Scheduler& s : kSchedulers) {
        looked += (looked.empty() ? "" : ", ") + std::string(s.number);
        const std::string value = variable(s.number);
        if (value.empty() || value == "undefined") continue;  // so Grid Engine says of a job that is no array
        const std::string start = s.first ? variable(s.first) : "";
        const auto number = whole(value), first = start.empty() ? std::optional(0) : whole(start);
        if (!number || !first || *number < *first)
            return Error{Errc::argument,
                         std::string(s.number) + " is '" + value + "'" +
                             (start.empty() ? "" : " and " + std::string(s.first) + " '" + start + "'") +
                             ": no number of a task"};
        return std::vector{std::pair{*number - *first, *number - *first}};
    }
    return Error{Errc::argument, "--task auto: no scheduler says which task this is (" + looked +
                                     " are not set); give a number, or leave --task out"};
}

}  // namespace cli
