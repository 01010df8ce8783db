// SPDX-License-Identifier: Apache-2.0
// Stopping work that takes long: one way for pictures, videos, benchmarks and downloads.
//
//     auto stop = enlarge::Cancellation::after(5);              // seconds; or ::create() without a time limit
//     auto big = session.upscale(small.view(), enlarge::OutputSize{}, {.cancel = stop});
//     stop.cancel();                                            // from any other thread
//
// The call that was stopped fails with Errc::cancelled; its message says whether somebody stopped it or the time was
// over. How soon: a picture after at most about half a second of work on most machines, a video within a tenth of a
// second and the frame in work, a download with the next block.
#pragma once

#include <memory>

#include "enlarge/result.hpp"

namespace enlarge {

// A handle: copies are the same request. Any thread may use any copy. It cannot be taken back.
class Cancellation {
public:
    Cancellation() = default;             // nothing stops the work
    static Cancellation create();         // cancel() stops it
    // cancel() stops it, and so does the time: so many seconds from now. Not a number, or less than 0, counts as 0.
    static Cancellation after(double seconds);

    // Does nothing on a default-constructed one.
    void cancel() const;
    [[nodiscard]] bool requested() const;
    [[nodiscard]] bool possible() const { return state_ != nullptr; }  // false of a default-constructed one
    // Errc::cancelled when requested: "stopped by the caller" or "the time limit of 5 s is over".
    [[nodiscard]] Result<void> check() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace enlarge
