// SPDX-License-Identifier: Apache-2.0
// What control groups (containers, batch systems, systemd) leave of the machine to this process.
#pragma once

#include <cstdint>
#include <string>

namespace enlarge {

struct CgroupLimits {
    double cpus = 0;                      // processor time per time; 0: not limited
    std::int64_t memory_left_bytes = -1;  // until the nearest limit, counting file cache as free; negative: not limited
};

// Reads versions 1 and 2, alone or mixed, and every group from this process's own up to the topmost one that can be seen:
// the tightest counts. `root` is put before all paths (for tests). What cannot be read does not limit.
CgroupLimits cgroup_limits(const std::string& root = "");

}  // namespace enlarge
