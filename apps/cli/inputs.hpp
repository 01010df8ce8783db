// SPDX-License-Identifier: Apache-2.0
// From the words on the command line to pairs of input and output.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "enlarge/notice.hpp"
#include "enlarge/result.hpp"

namespace cli {

struct Job {
    std::string input;    // path, or "-"
    std::string output;   // path, "-", or empty: beside the input, named by default_output()
    std::string folder;   // the output goes here, named by default_output()
    std::string error;    // not empty: this input cannot be used, and why
    enlarge::Errc code = enlarge::Errc::argument;
};

struct InputOptions {
    std::vector<std::string> inputs;
    std::string output;            // of -o
    bool recursive = false;
    // Files of a folder whose stem ends with it, or with another size beside the file it was made from, are earlier
    // results, and skipped.
    std::string suffix;
    std::function<bool(const std::string& path)> wanted;  // which files of a folder
};

struct Plan {
    std::vector<Job> jobs;
    std::vector<enlarge::Notice> notices;  // what was left out, and why
};

// Expands folders (with `recursive`, subfolders too) and patterns. Results do not become inputs: the output folder is left
// out where it lies inside an input folder, and so are files whose names end as results beside their inputs do. An input
// that is named twice counts once. Fails with Errc::argument when inputs and output do not fit together, such as two
// inputs and one output file.
enlarge::Result<Plan> plan_jobs(const InputOptions& options);

// The output's path for a job whose output is not named; may have to read the head of the input.
using NameOutput = std::function<enlarge::Result<std::string>(const Job& job)>;
// Fails with Errc::argument, naming both, when two jobs would write one file or when a job would write what another one
// reads. Asks `name_output` only about jobs that might, so that most inputs are not opened for it.
enlarge::Result<void> check_distinct(const std::vector<Job>& jobs, const std::string& suffix, const NameOutput& name_output);

// "_x4", "_x1.5", "_1920w", "_1080h", "_1920x1080".
std::string size_suffix(double scale, int width, int height);

// photo.jpg and "_x4" -> photo_x4.jpg in `folder` (beside the input when empty). `extension` without dot; empty keeps
// the input's.
std::string default_output(const std::string& input, const std::string& folder, const std::string& suffix, const std::string& extension);

}  // namespace cli
