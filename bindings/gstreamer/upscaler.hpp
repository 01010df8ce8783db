// SPDX-License-Identifier: Apache-2.0
// The library behind the element, through its C interface: one engine while the element runs, one stream for each kind
// of frames.
#pragma once

#include <enlarge/enlarge.h>

#include <mutex>
#include <optional>
#include <string>

#include "common/engine.hpp"

namespace enlarge_gst {

using enlarge_host::Handle;
using enlarge_host::sized;

// The element's properties. What is 0 or empty is left to the library.
struct Settings : enlarge_host::EngineSettings {
    int width = 0, height = 0;
};

struct Failure {
    enlarge_status status = ENLARGE_OK;
    std::string text;
};

struct Size {
    int width = 0, height = 0;
};

// open(), close(), begin() and enlarge() belong to the streaming thread; the others may be called by any.
class Upscaler {
public:
    // Opens the network and compiles it. `log` as in enlarge_options.
    std::optional<Failure> open(const Settings& settings, enlarge_log log, void* user);
    void close();

    // From now on frames are like `in`; fills in what they become.
    std::optional<Failure> begin(const enlarge_frame& in, enlarge_frame& out);
    enum class Outcome { made, stopped, failed };
    // Both frames have their planes, which are not touched afterwards.
    Outcome enlarge(const enlarge_frame& in, const enlarge_frame& out, Failure& failure);

    // Ends enlarge() early, and refuses frames until resume().
    void stop();
    void resume();

    // What a frame of this size becomes; nothing while it is not open, or where it is not allowed.
    std::optional<Size> output_size(Size in);
    // How many times as wide and high every frame becomes; 0 where that depends on the frame, or is not known yet.
    double factor();

private:
    Failure failed(enlarge_status status) const { return {status, enlarge_error(work_.get())}; }
    void drop_stream();

    Settings settings_;
    Handle<enlarge_context> work_{enlarge_context_create()};     // of the streaming thread
    Handle<enlarge_context> control_{enlarge_context_create()};  // of whoever holds the lock
    Handle<enlarge_engine> engine_;

    std::mutex lock_;  // guards what follows
    Handle<enlarge_model> model_;
    Handle<enlarge_stream> stream_;
    bool stopped_ = false;
};

}  // namespace enlarge_gst
