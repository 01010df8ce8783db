// SPDX-License-Identifier: Apache-2.0
// A bounded queue of work and one worker process per device, each minded by a thread that starts it again when it dies.
// A film keeps its worker for hours. Where `beside_films` is set, pictures do not wait for its end: a second process of
// that device, which is there only while the first is at a film, takes them. What turns out to be an animation there
// goes back into the queue, as a film.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "work/messages.hpp"

namespace serve {

struct PoolOptions {
    std::string program;               // what is started: program serve --worker-socket 3 ...
    std::vector<std::string> devices;  // one worker each
    int threads = 0;                   // of each worker; 0: all usable cores
    std::size_t capacity = 256;        // that wait
    bool beside_films = false;
    int attempts = 3;                  // how often work may end with its worker before it is given up
};

struct Task {
    Work work;
    // Called by a thread of the pool, nothing locked: progress and remarks; exactly one of done and failed as the last,
    // unless the pool is stopped before. `started` comes first, again when the work begins anew: after a crash, or
    // after `film`, when it waits once more, for a worker that may keep it.
    std::function<void()> started;
    std::function<void(const Said&)> said;
};

class Pool {
public:
    explicit Pool(PoolOptions options);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // False when the queue is full; `even_if_full` takes what was promised a place before (jobs of an earlier run);
    // `first` goes before all that wait.
    bool submit(std::shared_ptr<Task> task, bool even_if_full = false, bool first = false);
    // Work that waits ends as failed with Errc::cancelled at once, work in hand soon. Nothing happens to other numbers.
    void cancel(std::int64_t id);
    // Ends the workers, whatever they do. Tasks hear no more.
    void stop();

    struct Place {
        int before = 0;       // how many come first; -1: in hand, or not there
        double seconds = -1;  // until it begins, from how long work took lately; negative: not known
    };
    [[nodiscard]] Place place(std::int64_t id) const;
    struct Progress {
        double fraction = 0, seconds_left = -1;  // seconds_left negative: not known
    };
    // Of work in hand; nothing where that number is not.
    [[nodiscard]] std::optional<Progress> progress(std::int64_t id) const;
    struct State {
        std::size_t waiting = 0, running = 0;
        std::int64_t starts = 0, crashes = 0;  // of worker processes
        Progress first;                        // of what has been in hand for longest
    };
    [[nodiscard]] State state() const;
    [[nodiscard]] bool full() const;

private:
    struct Minder;
    void add_minder(const std::string& device, const Minder* beside);
    void mind(Minder& minder);
    std::shared_ptr<Task> take(Minder& minder);
    // The next for it, or the end.
    [[nodiscard]] std::deque<std::shared_ptr<Task>>::iterator next_for(const Minder& minder);
    [[nodiscard]] bool only_pictures_go_on() const;  // all devices are at films
    void finished(Minder& minder, double seconds, bool counts);
    void put_back(Minder& minder);
    void advance(Minder& minder, const Said& said);
    // One attempt; false when the worker died under it.
    bool attempt(Minder& minder, Task& task, double& furthest, std::string& why);
    void run(Minder& minder, Task& task);

    PoolOptions options_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<Task>> queue_;
    std::vector<std::unique_ptr<Minder>> minders_;
    bool stopping_ = false;
    double mean_seconds_[2] = {};  // of pictures and of films lately; 0: none was done
    std::atomic<std::int64_t> starts_ = 0, crashes_ = 0;
};

}  // namespace serve
