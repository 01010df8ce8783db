// SPDX-License-Identifier: Apache-2.0
// Handles of the C interface for tests in C++: freed at the end, and calls that must succeed say why they did not.
#pragma once

#include <enlarge/enlarge.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/handles.hpp"

namespace enlarge::test {

using enlarge_host::sized;

// A context, a model, an engine and a session of it.
struct Handles {
    explicit Handles(const char* name = "swift-x2", const char* device = "cpu") {
        auto options = sized<enlarge_options>();
        options.device = device;
        options.precision = ENLARGE_PRECISION_FP32;
        must(enlarge_model_open(ctx, name, &model));
        must(enlarge_engine_create(ctx, model, &options, &engine));
        must(enlarge_session_create(ctx, engine, &session));
    }
    ~Handles() {
        enlarge_session_destroy(session);
        enlarge_engine_destroy(engine);
        enlarge_model_close(model);
        enlarge_context_destroy(ctx);
    }
    Handles(const Handles&) = delete;
    Handles& operator=(const Handles&) = delete;

    void must(enlarge_status status) const { EXPECT_EQ(status, ENLARGE_OK) << enlarge_error(ctx); }
    [[nodiscard]] std::string error() const { return enlarge_error(ctx); }

    enlarge_context* ctx = enlarge_context_create();
    enlarge_model* model = nullptr;
    enlarge_engine* engine = nullptr;
    enlarge_session* session = nullptr;
};

}  // namespace enlarge::test
