// SPDX-License-Identifier: Apache-2.0
#include "base/cgroup.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace enlarge {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

// A file system with /proc and /sys of a machine that is not this one.
class cgroup : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "enlarge-cgroup-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        root_ = name;
    }
    void TearDown() override { fs::remove_all(root_); }
    void write(const std::string& path, const std::string& text) {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    std::string root_;
};

TEST_F(cgroup, that_is_not_there_does_not_limit) {
    const CgroupLimits limits = cgroup_limits(root_);
    EXPECT_EQ(limits.cpus, 0);
    EXPECT_LT(limits.memory_left_bytes, 0);
}

TEST_F(cgroup, of_a_container_with_version_2_is_its_root) {
    write("/proc/self/cgroup", "0::/\n");
    write("/proc/self/mountinfo", "31 24 0:27 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n");
    write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    write("/sys/fs/cgroup/memory.max", "1073741824\n");
    write("/sys/fs/cgroup/memory.current", "536870912\n");
    const CgroupLimits limits = cgroup_limits(root_);
    EXPECT_DOUBLE_EQ(limits.cpus, 1.5);
    EXPECT_EQ(limits.memory_left_bytes, 512 * kMiB);
}

TEST_F(cgroup, of_version_2_is_limited_by_all_above_it) {
    write("/proc/self/cgroup", "0::/batch.slice/job 7.scope/step\n");
    write("/proc/self/mountinfo", "31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    write("/sys/fs/cgroup/batch.slice/cpu.max", "200000 100000\n");
    write("/sys/fs/cgroup/batch.slice/job 7.scope/cpu.max", "max 100000\n");
    write("/sys/fs/cgroup/batch.slice/job 7.scope/step/cpu.max", "400000 100000\n");
    write("/sys/fs/cgroup/batch.slice/memory.max", "max\n");
    write("/sys/fs/cgroup/batch.slice/job 7.scope/memory.max", "209715200\n");
    write("/sys/fs/cgroup/batch.slice/job 7.scope/memory.current", "104857600\n");
    write("/sys/fs/cgroup/batch.slice/job 7.scope/step/memory.high", "1048576000\n");
    write("/sys/fs/cgroup/batch.slice/job 7.scope/step/memory.current", "1048576\n");
    CgroupLimits limits = cgroup_limits(root_);
    EXPECT_DOUBLE_EQ(limits.cpus, 2);
    EXPECT_EQ(limits.memory_left_bytes, 100 * kMiB);

    // Files that were read lie in the cache and count as used, until somebody needs the memory.
    write("/sys/fs/cgroup/batch.slice/job 7.scope/memory.stat", "anon 1\ninactive_file 52428800\nactive_file 7\n");
    limits = cgroup_limits(root_);
    EXPECT_EQ(limits.memory_left_bytes, 150 * kMiB);
}

TEST_F(cgroup, of_version_1_has_a_hierarchy_for_each_controller) {
    write("/proc/self/cgroup", "12:cpuset:/\n4:cpu,cpuacct:/docker/abc/inner\n3:memory:/docker/abc\n1:name=systemd:/x\n");
    write("/proc/self/mountinfo",
          "33 24 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
          "34 24 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
          "35 24 0:31 / /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n");
    write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
    write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    write("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "-1\n");
    write("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000\n");
    write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "314572800\n");
    write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "209715200\n");
    write("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 104857600\n");
    const CgroupLimits limits = cgroup_limits(root_);
    EXPECT_DOUBLE_EQ(limits.cpus, 3);
    EXPECT_EQ(limits.memory_left_bytes, 200 * kMiB);
}

TEST_F(cgroup, that_is_full_leaves_nothing_and_one_without_limits_all) {
    write("/proc/self/cgroup", "0::/a\n");
    write("/proc/self/mountinfo", "31 24 0:27 / /sys/fs/cgroup rw shared:9 - cgroup2 none rw\n");
    write("/sys/fs/cgroup/a/memory.max", "1000\n");
    write("/sys/fs/cgroup/a/memory.current", "2000\n");
    EXPECT_EQ(cgroup_limits(root_).memory_left_bytes, 0);
    write("/sys/fs/cgroup/a/memory.max", "max\n");
    EXPECT_LT(cgroup_limits(root_).memory_left_bytes, 0);

    write("/proc/self/cgroup", "3:memory:/\n");
    write("/proc/self/mountinfo", "34 24 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_LT(cgroup_limits(root_).memory_left_bytes, 0);
}

TEST_F(cgroup, outside_of_what_is_mounted_and_nonsense_do_no_harm) {
    write("/proc/self/cgroup", "0::/../..\nnonsense\n:\n4:cpu\n");
    write("/proc/self/mountinfo", "31 24 0:27 / /sys/fs/cg\\040roup rw - cgroup2 none rw\nshort - cgroup2 x y\n - \n");
    write("/sys/fs/cg roup/cpu.max", "50000 100000\n");
    write("/sys/fs/cg roup/memory.max", "-5\n");
    EXPECT_DOUBLE_EQ(cgroup_limits(root_).cpus, 0.5);
    EXPECT_LT(cgroup_limits(root_).memory_left_bytes, 0);
    write("/sys/fs/cg roup/cpu.max", "50000 0\n");
    EXPECT_EQ(cgroup_limits(root_).cpus, 0);
}

}  // namespace
}  // namespace enlarge
