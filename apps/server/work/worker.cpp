// SPDX-License-Identifier: Apache-2.0
#include "work/worker.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <exception>
#include <fstream>
#include <mutex>
#include <new>
#include <nlohmann/json.hpp>
#include <thread>

#include "enlarge/device.hpp"
#include "work/enlarge_work.hpp"
#include "work/messages.hpp"
#include "work/networks.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;

constexpr std::int64_t kLeastMemory = std::int64_t{1} << 30;

// What the server asked for, and which of it shall stop. The reader's thread fills it.
class Inbox {
public:
    void add(const Work& work) {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(
            {work, work.seconds > 0 ? enlarge::Cancellation::after(work.seconds) : enlarge::Cancellation::create()});
        changed_.notify_one();
    }
    void cancel(std::int64_t id) {
        const std::lock_guard lock(mutex_);
        for (const Entry& entry : waiting_)
            if (entry.work.id == id) entry.cancel.cancel();
        if (current_id_ == id) current_.cancel();
    }
    std::pair<Work, enlarge::Cancellation> take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !waiting_.empty(); });
        Entry entry = std::move(waiting_.front());
        waiting_.pop_front();
        current_id_ = entry.work.id;
        current_ = entry.cancel;
        return {std::move(entry.work), std::move(entry.cancel)};
    }

private:
    struct Entry {
        Work work;
        enlarge::Cancellation cancel;
    };
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Entry> waiting_;
    std::int64_t current_id_ = -1;
    enlarge::Cancellation current_;
};

// The server's lines until it is gone; then this process is of no use.
void read_lines(int fd, Inbox& inbox) {
    LineReader reader;
    while (reader.read_some(fd, [&](const std::string& line) {
        if (const auto work = work_of(line)) return inbox.add(*work);
        const auto value = nlohmann::json::parse(line, nullptr, false);
        if (value.is_object() && value.contains("cancel")) inbox.cancel(value.value("cancel", std::int64_t{-1}));
    })) {
    }
    std::_Exit(0);
}

// Messages of the library begin with the path; the client knows its file by another name.
std::string named(std::string text, const Work& work) {
    for (const auto& [path, name] :
         {std::pair{work.input, work.name}, std::pair{work.output, std::string("the result")}})
        for (std::size_t at; !path.empty() && (at = text.find(path)) != std::string::npos;)
            text.replace(at, path.size(), name);
    return text;
}

Said failed(const Work& work, const Error& error) {
    Said said{.event = Said::Event::failed, .id = work.id, .text = named(error.message, work), .code = error.code};
    return said;
}

Said outcome(const Work& work, Networks& networks, const enlarge::Cancellation& cancel, int fd) {
    const Tell tell = [&](Said said) {
        said.id = work.id;
        said.text = named(said.text, work);
        write_line(fd, to_line(said));
    };
    try {
        auto done = enlarge_work(work, networks, cancel, tell);
        if (!done) return failed(work, done.error());
        done->id = work.id;
        return std::move(done).value();
    } catch (const std::bad_alloc&) {
        return failed(work, {Errc::memory, "there is not enough memory for " + work.name});
    } catch (const std::exception& e) {
        return failed(work, {Errc::internal, std::string("internal error: ") + e.what()});
    }
}

// What a file may make of this process stays below what the machine has: beyond it allocations fail, and that job with
// them. Counted is what can be written to (RLIMIT_DATA), on top of what is there already: sanitizers reserve terabytes.
void bound_memory() {
    std::ofstream("/proc/self/oom_score_adj") << 800;  // where memory ends all the same, nobody else's process goes
    std::int64_t free = 0, there = 0;
    for (const enlarge::DeviceInfo& device : enlarge::devices())
        if (device.kind == enlarge::DeviceKind::cpu) free = device.memory_bytes;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmData:")) there = std::atoll(line.c_str() + 7) * 1024;
    const std::int64_t most = there + std::max(free / 5 * 4, kLeastMemory);
    const rlimit limit{static_cast<rlim_t>(most), static_cast<rlim_t>(most)};
    setrlimit(RLIMIT_DATA, &limit);
}

}  // namespace

int run_worker(int fd, const std::string& device, int threads) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // of the thread that started us, which lives as long as the server
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);  // a dump would hold a stranger's picture
    for (const int sig : {SIGINT, SIGTERM, SIGHUP}) std::signal(sig, SIG_IGN);  // for the server to say when
    std::signal(SIGPIPE, SIG_IGN);
    if (::chdir("/") != 0) return 1;
    bound_memory();
    Inbox inbox;
    std::thread(read_lines, fd, std::ref(inbox)).detach();
    Networks networks(device, threads);
    write_line(fd, to_line(Said{.event = Said::Event::ready, .text = device}));
    while (true) {
        const auto [work, cancel] = inbox.take();
        if (!write_line(fd, to_line(outcome(work, networks, cancel, fd)))) return 0;
    }
}

}  // namespace serve
