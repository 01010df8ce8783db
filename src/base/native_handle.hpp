// SPDX-License-Identifier: Apache-2.0
// A driver's own handle and what it is, for those who share a device with somebody else's library.
#pragma once

namespace enlarge {

struct NativeHandle {
    enum class Kind {
        none,
        cuda_context,  // CUcontext
        cuda_stream,   // CUstream; null: the default stream
    };
    Kind kind = Kind::none;
    void* pointer = nullptr;
    [[nodiscard]] explicit operator bool() const { return kind != Kind::none && pointer != nullptr; }
};

}  // namespace enlarge
