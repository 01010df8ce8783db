// SPDX-License-Identifier: Apache-2.0
// Handles of the C interface that free themselves.
#pragma once

#include <enlarge/enlarge.h>

#include <memory>

namespace enlarge_host {

// A struct of the C interface that says its size.
template <class Struct>
Struct sized() {
    Struct made{};
    made.size = sizeof made;
    return made;
}

struct Free {
    void operator()(enlarge_context* p) const { enlarge_context_destroy(p); }
    void operator()(enlarge_model* p) const { enlarge_model_close(p); }
    void operator()(enlarge_engine* p) const { enlarge_engine_destroy(p); }
    void operator()(enlarge_session* p) const { enlarge_session_destroy(p); }
    void operator()(enlarge_stream* p) const { enlarge_stream_destroy(p); }
};
template <class Made>
using Handle = std::unique_ptr<Made, Free>;

}  // namespace enlarge_host
