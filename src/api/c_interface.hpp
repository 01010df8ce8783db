// SPDX-License-Identifier: Apache-2.0
// What the handles of the C interface hold, and how its functions begin and end; shared by the files c_*.cpp. No
// exception leaves them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "enlarge/engine.hpp"
#include "enlarge/enlarge.h"

struct enlarge_context {
    std::string error;
    std::string model, partner, filter;  // of enlarge_choose
    std::string text;            // of the last function that gave one
};
struct enlarge_model {
    explicit enlarge_model(enlarge::Model made) : model(std::move(made)) {
        for (const auto& [key, value] : model.info().facts) facts.push_back({key.c_str(), value.c_str()});
    }
    enlarge::Model model;
    std::vector<enlarge_fact> facts;  // pointers into the model's own
};
struct enlarge_engine {
    enlarge::Engine engine;
};
struct enlarge_session {
    enlarge::Engine::Session session;
};
struct enlarge_upscaler {
    enlarge_session session;
};
struct enlarge_cancellation {
    enlarge::Cancellation cancellation;
};

namespace enlarge::c {

enlarge_status status_of(Errc code);

// Text that fits a string without allocating, for the case that there is no memory.
enlarge_status fail(enlarge_context* ctx, enlarge_status status, const char* text) noexcept;

// Runs `body`, which returns Result<void>, and turns all that can go wrong into a status and a text.
template <class Body>
enlarge_status guarded(enlarge_context* ctx, Body&& body) noexcept {
    if (!ctx) return ENLARGE_ARGUMENT;
    try {
        ctx->error.clear();
        Result<void> result = body();
        if (result) return ENLARGE_OK;
        ctx->error = std::move(result.error().message);
        return status_of(result.error().code);
    } catch (const std::bad_alloc&) {
        return fail(ctx, ENLARGE_MEMORY, "out of memory");
    } catch (const std::exception& e) {
        return fail(ctx, ENLARGE_INTERNAL, e.what());
    } catch (...) {
        return fail(ctx, ENLARGE_INTERNAL, "unknown");
    }
}

inline Error null_argument(const char* name) { return {Errc::argument, std::string(name) + " is null"}; }

// A copy of a caller's struct, the fields it does not know set to zero. `size` is always its first field.
template <class Struct>
Result<Struct> known_part(const Struct* given, const char* name) {
    if (!given) return null_argument(name);
    if (given->size < sizeof(std::size_t) || given->size > 4096)
        return Error{Errc::argument, std::string(name) + ": set `size` to the size of the struct; it is " +
                                         std::to_string(given->size)};
    Struct copy{};
    std::memcpy(&copy, given, std::min(given->size, sizeof copy));
    copy.size = sizeof copy;
    return copy;
}

// The inverse: as much as the caller knows.
template <class Struct>
Result<void> fill_known(Struct* wanted, Struct value, const char* name) {
    if (wanted->size < sizeof(std::size_t) || wanted->size > 4096)
        return Error{Errc::argument, std::string(name) + ": set `size` to the size of the struct"};
    value.size = wanted->size;
    std::memcpy(wanted, &value, std::min(wanted->size, sizeof value));
    return {};
}

// As much of a caller's struct as it knows; null: all zero.
template <class Struct>
Result<Struct> known_or_zero(const Struct* given, const char* name) {
    if (given) return known_part(given, name);
    return Struct{};
}

// What the caller said, as far as it knows the struct; the rest keeps its defaults.
Result<EngineOptions> engine_options(const enlarge_options* options);
Result<CallOptions> call_options(const enlarge_call* call);
Progress progress_of(enlarge_progress progress, void* user);
LogSink sink_of(enlarge_log log, void* user);
Result<void> give_report(enlarge_report* wanted, const UpscaleReport& made);

// Null where there is none.
inline std::string text_of(const char* given) { return given ? given : ""; }

}  // namespace enlarge::c
