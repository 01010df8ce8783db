// SPDX-License-Identifier: Apache-2.0
// What engines, sessions and upscalers hold; shared by the files of api/.
#pragma once

#include <memory>
#include <string>

#include "base/log_scope.hpp"
#include "base/thread_pool.hpp"
#include "enlarge/engine.hpp"
#include "run/enlarger.hpp"

namespace enlarge {

struct Engine::State {
    Model model;
    std::shared_ptr<ThreadPool> pool;  // outlives the programs that use it
    std::shared_ptr<NetworkEngine> network;
    EnlargerOptions options;
    EngineInfo info;
    SharedLogSink log;                 // null: the process's
};

struct Engine::Session::State {
    std::shared_ptr<const Engine::State> engine;
    Enlarger enlarger;
};

struct Upscaler::State {
    Engine engine;
    Engine::Session session;
};

// The number in "cuda:1"; -1, all of them, when there is none.
Result<int> device_index(const std::string& device);

}  // namespace enlarge
