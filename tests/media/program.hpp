// SPDX-License-Identifier: Apache-2.0
// Runs the command line program, kills it, feeds it.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "enlarge/enlarge.hpp"
#include "enlarge/media.hpp"
#include "support/source_folder.hpp"

// FFmpeg ends its thread that reads UDP by cancelling it in the middle of a call, which the sanitizer takes for its own
// failure ("finished with ignores enabled"); it is no race.
#ifdef __SANITIZE_THREAD__
#define SKIP_UDP_UNDER_THREAD_SANITIZER() \
    GTEST_SKIP() << "SKIPPED: the thread sanitizer is at work: FFmpeg cancels its UDP thread, which it does not understand"
#else
#define SKIP_UDP_UNDER_THREAD_SANITIZER() static_cast<void>(0)
#endif

namespace enlarge::test {

namespace fs = std::filesystem;

// A folder that goes away with the test.
class Scratch {
public:
    Scratch() {
        static std::atomic<int> count{0};
        path_ = fs::temp_directory_path() / ("enlarge-media-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
        fs::create_directories(path_);
    }
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

private:
    fs::path path_;
};

// A disk with little room at `folder`, until the test ends. Only root may have one: mounted() says whether it is there.
class SmallDisk {
public:
    explicit SmallDisk(std::string folder) : folder_(std::move(folder)) {
        fs::create_directories(folder_);
        mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=400k") == 0;
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() {
        if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
    }
    [[nodiscard]] bool mounted() const { return mounted_; }

private:
    std::string folder_;
    bool mounted_ = false;
};

// Of `enlarge`.
std::string program_path();

inline std::string model_path(const std::string& name) {
    return source_folder() + "/tests/media/data/" + name + ".safetensors";
}

inline std::string contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline Upscaler upscaler(const std::string& model) {
    auto opened = Model::open(fs::exists(model_path(model)) ? model_path(model) : model);
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().message.c_str());
        std::abort();
    }
    EngineOptions options;
    options.threads = 1;
    options.precision = Precision::fp32;
    auto made = Upscaler::create(*opened, options);
    if (!made) {
        std::fprintf(stderr, "%s\n", made.error().message.c_str());
        std::abort();
    }
    return std::move(*made);
}

struct Ran {
    int code = -1;          // exit code; -signal when killed
    std::string errors;     // stderr
};

// Starts the program in the background. `in` and `out`: files for stdin and stdout; empty = /dev/null.
class Program {
public:
    Program(std::vector<std::string> words, const std::string& errors, const std::string& in = "", const std::string& out = "") : errors_(errors) {
        words.insert(words.begin(), program_path());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            const int i = ::open(in.empty() ? "/dev/null" : in.c_str(), O_RDONLY);
            const int o = ::open(out.empty() ? "/dev/null" : out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
            const int e = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
            ::dup2(i, 0);
            ::dup2(o, 1);
            ::dup2(e, 2);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
    }
    void signal(int number) const { ::kill(pid_, number); }
    [[nodiscard]] bool running() {
        if (done_) return false;
        done_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
        return !done_;
    }
    Ran wait() {
        if (!done_) ::waitpid(pid_, &status_, 0);
        done_ = true;
        return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_), contents(errors_)};
    }

private:
    pid_t pid_ = -1;
    int status_ = 0;
    bool done_ = false;
    std::string errors_;
};

// A command line that gives the same bytes on every machine; `more` at its end.
inline std::vector<std::string> words(const std::string& in, const std::string& out, std::initializer_list<const char*> more = {}) {
    std::vector<std::string> list{in, "-o", out, "-m", model_path("nearest-x2"), "--threads", "1", "--precision", "fp32"};
    list.insert(list.end(), more.begin(), more.end());
    return list;
}

inline Ran run(const Scratch& scratch, std::vector<std::string> words, const std::string& in = "", const std::string& out = "") {
    return Program(std::move(words), scratch / "stderr", in, out).wait();
}

}  // namespace enlarge::test
