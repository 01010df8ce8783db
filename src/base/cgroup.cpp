// SPDX-License-Identifier: Apache-2.0
#include "base/cgroup.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

namespace enlarge {
namespace {

// The fields of a line, separated by `separator`.
std::vector<std::string> split(const std::string& line, char separator) {
    std::vector<std::string> fields(1);
    for (const char c : line) {
        if (c == separator) fields.emplace_back();
        else fields.back() += c;
    }
    return fields;
}

std::string first_line(const std::string& path) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    return line;
}

// Nothing for "max", "-1", and files that are not there. Version 1 says "no limit" with a number near 2^63.
std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0 || value >= std::int64_t{1} << 60) return std::nullopt;
    return value;
}

// The number after `key` and a blank in a file such as memory.stat; 0 when it is not there.
std::int64_t entry(const std::string& path, std::string_view key) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);)
        if (line.size() > key.size() && line.compare(0, key.size(), key) == 0 && line[key.size()] == ' ')
            return number(std::string_view(line).substr(key.size() + 1)).value_or(0);
    return 0;
}

// mountinfo writes blanks and backslashes as octal escapes.
std::string unescaped(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(&text[i + 1], &text[i + 4], code, 8).ptr == &text[i + 4] && code < 256) {
            out += static_cast<char>(code);
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

struct Mount {
    bool v2 = false;
    std::string group;       // the group that is seen at `point`
    std::string point;
    std::string controllers; // of version 1: ",cpu,cpuacct,"
};

std::vector<Mount> mounts(const std::string& root) {
    std::vector<Mount> found;
    std::ifstream in(root + "/proc/self/mountinfo");
    for (std::string line; std::getline(in, line);) {
        // "36 35 98:0 /group /sys/fs/cgroup rw,noatime master:1 - cgroup2 cgroup rw,nsdelegate"
        const auto dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        const auto left = split(line.substr(0, dash), ' ');
        const auto right = split(line.substr(dash + 3), ' ');
        if (left.size() < 5 || right.size() < 3 || (right[0] != "cgroup" && right[0] != "cgroup2")) continue;
        found.push_back({right[0] == "cgroup2", unescaped(left[3]), unescaped(left[4]), "," + right[2] + ","});
    }
    return found;
}

// The folders of a group and all above it, as far as the mount shows them.
std::vector<std::string> folders(const std::string& root, const Mount& mount, const std::string& group) {
    std::string below;  // where the group lies under the mount point
    const std::string top = mount.group == "/" ? "" : mount.group;
    // A group outside of what is mounted ("/../..", a container that sees its own group as the root): the mount's own.
    if (group.compare(0, top.size(), top) == 0 && (group.size() == top.size() || group[top.size()] == '/') && group.find("/..") == std::string::npos)
        below = group.substr(top.size());
    std::vector<std::string> all;
    for (;;) {
        while (!below.empty() && below.back() == '/') below.pop_back();
        all.push_back(root + mount.point + below);
        if (below.empty()) return all;
        below.resize(below.rfind('/'));
    }
}

void limit_cpus(CgroupLimits& limits, std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
    if (!quota || !period || *quota <= 0 || *period <= 0) return;
    const double cpus = static_cast<double>(*quota) / static_cast<double>(*period);
    limits.cpus = limits.cpus > 0 ? std::min(limits.cpus, cpus) : cpus;
}

// `cache` is what the kernel gives back first, before it ends anything.
void limit_memory(CgroupLimits& limits, std::optional<std::int64_t> limit, std::optional<std::int64_t> used, std::int64_t cache) {
    if (!limit) return;
    const std::int64_t busy = std::max<std::int64_t>(used.value_or(0) - cache, 0);
    const std::int64_t left = std::max<std::int64_t>(*limit - busy, 0);
    limits.memory_left_bytes = limits.memory_left_bytes >= 0 ? std::min(limits.memory_left_bytes, left) : left;
}

void read_v2(CgroupLimits& limits, const std::string& folder) {
    const auto quota = split(first_line(folder + "/cpu.max"), ' ');  // "quota period" or "max period"
    if (quota.size() == 2) limit_cpus(limits, number(quota[0]), number(quota[1]));
    const auto used = number(first_line(folder + "/memory.current"));
    const std::int64_t cache = entry(folder + "/memory.stat", "inactive_file");
    for (const char* file : {"/memory.max", "/memory.high"}) limit_memory(limits, number(first_line(folder + file)), used, cache);
}

void read_v1(CgroupLimits& limits, const std::string& folder, bool cpu, bool memory) {
    if (cpu) limit_cpus(limits, number(first_line(folder + "/cpu.cfs_quota_us")), number(first_line(folder + "/cpu.cfs_period_us")));
    if (memory)
        limit_memory(limits, number(first_line(folder + "/memory.limit_in_bytes")), number(first_line(folder + "/memory.usage_in_bytes")),
                     entry(folder + "/memory.stat", "total_inactive_file"));
}

}  // namespace

CgroupLimits cgroup_limits(const std::string& root) {
    CgroupLimits limits;
    const std::vector<Mount> mounted = mounts(root);
    std::ifstream in(root + "/proc/self/cgroup");
    for (std::string line; std::getline(in, line);) {
        // "0::/group" of version 2, "4:cpu,cpuacct:/group" of version 1.
        const auto first = line.find(':'), second = line.find(':', first == std::string::npos ? first : first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",", group = line.substr(second + 1);
        const bool v2 = controllers == ",,";
        const bool cpu = controllers.find(",cpu,") != std::string::npos, memory = controllers.find(",memory,") != std::string::npos;
        if (!v2 && !cpu && !memory) continue;
        for (const Mount& mount : mounted) {
            if (mount.v2 != v2) continue;
            const bool its_cpu = cpu && mount.controllers.find(",cpu,") != std::string::npos;
            const bool its_memory = memory && mount.controllers.find(",memory,") != std::string::npos;
            if (!v2 && !its_cpu && !its_memory) continue;
            for (const std::string& folder : folders(root, mount, group)) {
                if (v2) read_v2(limits, folder);
                else read_v1(limits, folder, its_cpu, its_memory);
            }
        }
    }
    return limits;
}

}  // namespace enlarge
