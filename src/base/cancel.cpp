// SPDX-License-Identifier: Apache-2.0
#include "base/cancel.hpp"

#include <atomic>
#include <chrono>
#include <optional>

#include "base/text.hpp"

namespace enlarge {

using Clock = std::chrono::steady_clock;

struct Cancellation::State {
    std::atomic<bool> asked{false};
    std::optional<Clock::time_point> deadline;  // constant
    double seconds = 0;
};

Cancellation Cancellation::create() {
    Cancellation made;
    made.state_ = std::make_shared<State>();
    return made;
}

Cancellation Cancellation::after(double seconds) {
    constexpr double kLongest = 1e9;  // thirty years: no clock overflows
    Cancellation made = create();
    made.state_->seconds = seconds > 0 ? (seconds < kLongest ? seconds : kLongest) : 0;
    made.state_->deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(made.state_->seconds));
    return made;
}

void Cancellation::cancel() const {
    if (state_) state_->asked = true;
}

bool Cancellation::requested() const {
    return state_ && (state_->asked || (state_->deadline && Clock::now() >= *state_->deadline));
}

Result<void> Cancellation::check() const {
    if (!requested()) return {};
    if (state_->asked) return Error{Errc::cancelled, "stopped by the caller"};
    return Error{Errc::cancelled, "the time limit of " + shortest(state_->seconds) + " s is over"};
}

}  // namespace enlarge
