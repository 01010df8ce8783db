// SPDX-License-Identifier: Apache-2.0
// TRY and ENSURE on top of the public Result.
#pragma once

#include "enlarge/result.hpp"

namespace enlarge {

// Reports a broken invariant: aborts in debug builds, returns Errc::internal in release builds.
Error broken_invariant(const char* condition, const char* file, int line);

}  // namespace enlarge

#define ENLARGE_CONCAT2(a, b) a##b
#define ENLARGE_CONCAT(a, b) ENLARGE_CONCAT2(a, b)
#define ENLARGE_TRY_VALUE(tmp, declaration, ...)                \
    auto tmp = (__VA_ARGS__);                                   \
    if (!tmp.ok()) return ::enlarge::Error(std::move(tmp).error()); \
    declaration = std::move(tmp).value()
#define ENLARGE_TRY_VOID(expression)                            \
    do {                                                        \
        if (auto try_result = (expression); !try_result.ok())   \
            return ::enlarge::Error(std::move(try_result).error()); \
    } while (false)
#define ENLARGE_TRY_2(declaration, ...) \
    ENLARGE_TRY_VALUE(ENLARGE_CONCAT(try_result_, __LINE__), declaration, __VA_ARGS__)
#define ENLARGE_TRY_1(expression) ENLARGE_TRY_VOID(expression)
#define ENLARGE_TRY_PICK(a, b, c, d, e, f, name, ...) name

// TRY(const auto x, call()): x is the value, or the error is returned. TRY(call()) for Result<void>.
#define TRY(...)                                                                                        \
    ENLARGE_TRY_PICK(__VA_ARGS__, ENLARGE_TRY_2, ENLARGE_TRY_2, ENLARGE_TRY_2, ENLARGE_TRY_2, ENLARGE_TRY_2, \
                     ENLARGE_TRY_1)(__VA_ARGS__)

// A condition that only a bug of ours can break. Usable in functions that return Result.
#define ENSURE(condition)                                                               \
    do {                                                                                \
        if (!(condition)) return ::enlarge::broken_invariant(#condition, __FILE__, __LINE__); \
    } while (false)
