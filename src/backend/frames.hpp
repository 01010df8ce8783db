// SPDX-License-Identifier: Apache-2.0
// Video frames straight through a network: what a backend offers when it converts, computes and converts back itself, so
// that only the codecs' own 4:2:0 samples go in and out.
#pragma once

#include <array>
#include <cstdint>

#include "backend/backend.hpp"
#include "image/frame.hpp"

namespace enlarge {

// A frame where it lies: in host memory, or in the memory of the session's device.
struct FrameSurface {
    FrameFormat format;  // tags filled in, see guess_missing()
    Size size;
    std::array<std::uint64_t, 3> plane{};       // addresses: Y, UV or Y, U, V
    std::array<std::int64_t, 3> pitch_bytes{};
    bool on_device = false;
    // on_device: the stream that fills the frame; none: the default stream. The network begins when that stream has done
    // what was put on it before the call.
    NativeHandle stream;
};

// What Session::frames() gives.
class FrameSession : public Session {
public:
    [[nodiscard]] FrameSession* frames() final { return this; }
    // The whole frame, `out` of any size. Sides of `in` must be multiples of ProgramInfo::size_multiple. Returns when
    // `out` is complete. Fails with Errc::unsupported for what Program::takes_frames() refuses, Errc::memory when the
    // device does not hold the frame in one piece.
    virtual Result<TileReport> run_frame(const FrameSurface& in, const FrameSurface& out) = 0;
};

}  // namespace enlarge
