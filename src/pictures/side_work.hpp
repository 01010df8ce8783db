// SPDX-License-Identifier: Apache-2.0
// Work in a thread of its own that need not be waited for.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/result.hpp"

namespace enlarge::pictures {

// Most encoders of libraries cannot be stopped: whoever has been told to stop leaves them behind, with what they use.
// One piece of work at a time; all but the work itself belongs to one thread.
class SideWork {
public:
    SideWork() = default;
    ~SideWork();  // waits
    SideWork(const SideWork&) = delete;
    SideWork& operator=(const SideWork&) = delete;

    // False where no thread can be started.
    bool start(std::function<Result<void>()> work);
    [[nodiscard]] bool started() const { return thread_.joinable(); }  // and neither waited for nor left
    // What the work returns or throws. Errc::cancelled as soon as `stopped`, asked twenty times a second, says so.
    Result<void> wait(const std::function<bool()>& stopped);
    // Waits a tenth of a second at most. Work that goes on keeps `what_it_uses`, this object with it, until it ends.
    void leave(std::shared_ptr<void> what_it_uses);

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
    std::thread thread_;
};

}  // namespace enlarge::pictures
