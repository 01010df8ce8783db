// SPDX-License-Identifier: Apache-2.0
// Names on disk: of the output, of what is written until it is whole, and of unfinished work.
#pragma once

#include <string>

#include "base/result.hpp"

namespace enlarge::video {

struct Job;

// What is at the output's name, or names, before anything is written.
struct OutputStanding {
    std::string taken;  // a file that would be replaced; empty if there is none
    std::string path;   // what the finished work is renamed to: where a link leads

    // Fails when nothing can be written there, and when that would replace the input.
    static Result<OutputStanding> look(const Job& job);
};

// The folder with unfinished work, beside the output.
std::string work_folder(const Job& job);
bool has_work_folder(const Job& job);
// What is written there before it gets its name: a file, or a pattern.
std::string work_file(const Job& job);
// Without a journal: chooses job.mux.path beside the output.
Result<void> write_beside(Job& job);
// `written` (a file or a pattern) gets the output's name.
Result<void> give_final_names(const Job& job, const std::string& written);

}  // namespace enlarge::video
