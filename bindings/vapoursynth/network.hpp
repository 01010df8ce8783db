// SPDX-License-Identifier: Apache-2.0
// A network on a device and its workers, over the C interface.
#pragma once

#include <VapourSynth4.h>
#include <enlarge/enlarge.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/engine.hpp"
#include "formats.hpp"

namespace enlarge_vs {

using enlarge_host::Handle;

// What enlarge.Upscale() was called with.
struct Settings : enlarge_host::EngineSettings {
    int width = 0, height = 0;
    int streams = 2;  // frames in work at a time
};

// One frame at a time: a session for pictures or a stream for frames, made when first wanted.
struct Worker {
    Handle<enlarge_context> context{enlarge_context_create()};
    Handle<enlarge_session> session;
    Handle<enlarge_stream> stream;
    Colours colours;      // of the stream
    enlarge_frame made{};  // what the stream makes, its colours settled
};

// Any thread. Failures are sentences; empty means that it went well.
class Network {
public:
    // Opens the model and compiles it, which may take seconds. `log` is told what the library has to say.
    std::string open(const Settings& settings, enlarge_log log, void* user);
    // The size and kind that frames like `in` become.
    std::string output(const enlarge_frame& in, enlarge_frame& out);
    // Enlarges `in` into the planes of `out`. `settled` gets what the colours of `out` are.
    std::string enlarge(const enlarge_frame& in, const Colours& colours, enlarge_frame& out, enlarge_frame& settled);
    std::string enlarge(const enlarge_image& in, const enlarge_image& out);

private:
    std::string begin(Worker& worker, const enlarge_frame& in, const Colours& colours);
    // Waits for a worker that is free.
    std::unique_ptr<Worker> take();
    void give_back(std::unique_ptr<Worker> worker);

    Settings settings_;
    Handle<enlarge_context> context_{enlarge_context_create()};
    std::mutex context_lock_;
    Handle<enlarge_engine> engine_;  // before the workers: destroyed after them
    std::mutex lock_;
    std::condition_variable free_one_;
    int not_made_ = 0;  // workers
    std::vector<std::unique_ptr<Worker>> idle_;
};

}  // namespace enlarge_vs
