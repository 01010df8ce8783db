// SPDX-License-Identifier: Apache-2.0
// What an Upscaler holds; shared by the files of api/.
#pragma once

#include <memory>
#include <string>

#include "base/thread_pool.hpp"
#include "enlarge/enlarge.hpp"
#include "run/enlarger.hpp"

namespace enlarge {

struct Upscaler::State {
    Model model;
    std::shared_ptr<ThreadPool> pool;  // outlives the programs that use it
    std::unique_ptr<Enlarger> enlarger;
};

// The number in "cuda:1"; -1, all of them, when there is none.
Result<int> device_index(const std::string& device);

}  // namespace enlarge
