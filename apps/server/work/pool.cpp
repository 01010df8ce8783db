// SPDX-License-Identifier: Apache-2.0
#include "work/pool.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "work/child.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using Clock = std::chrono::steady_clock;

constexpr double kGraceToStop = 10;    // seconds between the request to stop and the end of the worker
constexpr double kGraceOverTime = 30;  // the worker watches its own time; this is for one that does not

double since(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }

Said failure(std::int64_t id, Errc code, std::string text) {
    return {.event = Said::Event::failed, .id = id, .text = std::move(text), .code = code};
}

}  // namespace

// One worker process and its thread. What both the thread and others touch is under the pool's mutex.
struct Pool::Minder {
    std::string device;
    Child child;  // of the thread alone
    int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const Minder* beside = nullptr;  // takes pictures while that one is at a film
    // Of current:
    std::shared_ptr<Task> current;
    bool cancelled = false, film = false;
    Clock::time_point began;
    Progress progress;
    std::thread thread;

    [[nodiscard]] bool at_film() const { return current && film; }

    ~Minder() { ::close(wake); }
    void nudge() const { [[maybe_unused]] const auto sent = ::eventfd_write(wake, 1); }
};

Pool::Pool(PoolOptions options) : options_(std::move(options)) {
    for (const std::string& device : options_.devices) {
        add_minder(device, nullptr);
        if (options_.beside_films) add_minder(device, minders_.back().get());
    }
    for (const auto& minder : minders_) minder->thread = std::thread([this, &minder = *minder] { mind(minder); });
}

Pool::~Pool() { stop(); }

void Pool::add_minder(const std::string& device, const Minder* beside) {
    minders_.push_back(std::make_unique<Minder>());
    minders_.back()->device = device;
    minders_.back()->beside = beside;
}

void Pool::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
        for (const auto& minder : minders_) minder->nudge();
    }
    for (const auto& minder : minders_)
        if (minder->thread.joinable()) minder->thread.join();
}

bool Pool::submit(std::shared_ptr<Task> task, bool even_if_full, bool first) {
    const std::lock_guard lock(mutex_);
    if (stopping_ || (queue_.size() >= options_.capacity && !even_if_full)) return false;
    queue_.insert(first ? queue_.begin() : queue_.end(), std::move(task));
    changed_.notify_all();
    return true;
}

bool Pool::full() const {
    const std::lock_guard lock(mutex_);
    return queue_.size() >= options_.capacity;
}

void Pool::cancel(std::int64_t id) {
    std::shared_ptr<Task> waiting;
    {
        const std::lock_guard lock(mutex_);
        const auto found =
            std::find_if(queue_.begin(), queue_.end(), [&](const auto& task) { return task->work.id == id; });
        if (found != queue_.end()) {
            waiting = *found;
            queue_.erase(found);
        }
        for (const auto& minder : minders_) {
            if (!minder->current || minder->current->work.id != id) continue;
            minder->cancelled = true;
            minder->nudge();
        }
    }
    if (waiting) waiting->said(failure(id, Errc::cancelled, "cancelled before it began"));
}

bool Pool::only_pictures_go_on() const {
    return options_.beside_films && std::all_of(minders_.begin(), minders_.end(),
                                                [](const auto& m) { return m->beside != nullptr || m->at_film(); });
}

Pool::Place Pool::place(std::int64_t id) const {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(queue_.begin(), queue_.end(), [&](const auto& task) { return task->work.id == id; });
    if (found == queue_.end()) return {-1, -1};
    const bool beside = only_pictures_go_on() && !(*found)->work.moving;
    Place place{0, 0};
    bool known = true;
    const auto add = [&](bool film) {
        known = known && mean_seconds_[film] > 0;
        place.seconds += mean_seconds_[film];
    };
    for (auto at = queue_.begin(); at != found; ++at) {
        if (beside && (*at)->work.moving) continue;
        ++place.before;
        add((*at)->work.moving);
    }
    double soonest = -1, workers = 0;
    for (const auto& minder : minders_) {
        if ((minder->beside != nullptr) != beside) continue;
        ++workers;
        double left = 0;
        if (minder->current) left = minder->progress.seconds_left;
        if (left < 0) left = mean_seconds_[minder->film];
        if (minder->current && left <= 0) known = false;
        soonest = soonest < 0 ? left : std::min(soonest, left);
    }
    place.seconds = known ? std::max(0.0, soonest) + place.seconds / std::max(1.0, workers) : -1;
    return place;
}

std::optional<Pool::Progress> Pool::progress(std::int64_t id) const {
    const std::lock_guard lock(mutex_);
    for (const auto& minder : minders_)
        if (minder->current && minder->current->work.id == id) return minder->progress;
    return std::nullopt;
}

Pool::State Pool::state() const {
    const std::lock_guard lock(mutex_);
    State state{queue_.size(), 0, starts_, crashes_, {}};
    const Minder* first = nullptr;
    for (const auto& minder : minders_) {
        if (!minder->current) continue;
        ++state.running;
        if (!first || minder->began < first->began) first = minder.get();
    }
    if (first) state.first = first->progress;
    return state;
}

std::deque<std::shared_ptr<Task>>::iterator Pool::next_for(const Minder& minder) {
    if (!minder.beside) return queue_.begin();
    if (!minder.beside->at_film()) return queue_.end();
    return std::find_if(queue_.begin(), queue_.end(), [](const auto& task) { return !task->work.moving; });
}

std::shared_ptr<Task> Pool::take(Minder& minder) {
    std::unique_lock lock(mutex_);
    while (!stopping_ && next_for(minder) == queue_.end()) {
        if (minder.beside && !minder.beside->at_film() && minder.child.running()) {
            lock.unlock();
            minder.child.end();  // its memory is wanted elsewhere
            lock.lock();
            continue;
        }
        changed_.wait(lock);
    }
    if (stopping_) return nullptr;
    const auto next = next_for(minder);
    minder.current = std::move(*next);
    queue_.erase(next);
    minder.cancelled = false;
    minder.film = minder.current->work.moving;
    minder.began = Clock::now();
    minder.progress = {};
    if (minder.film) changed_.notify_all();
    return minder.current;
}

void Pool::finished(Minder& minder, double seconds, bool counts) {
    const std::lock_guard lock(mutex_);
    double& mean = mean_seconds_[minder.film];
    minder.current = nullptr;
    if (counts) mean = mean <= 0 ? seconds : 0.8 * mean + 0.2 * seconds;
    if (minder.film) changed_.notify_all();
}

void Pool::put_back(Minder& minder) {
    const std::shared_ptr<Task> task = minder.current;
    task->said({.event = Said::Event::film, .id = task->work.id});
    bool cancelled = false;
    {
        const std::lock_guard lock(mutex_);
        minder.current = nullptr;
        cancelled = minder.cancelled;
        task->work.moving = true;
        if (!cancelled) queue_.push_front(task);
        changed_.notify_all();
    }
    if (cancelled) task->said(failure(task->work.id, Errc::cancelled, "cancelled before it began"));
}

void Pool::advance(Minder& minder, const Said& said) {
    const std::lock_guard lock(mutex_);
    minder.progress = {said.fraction, said.seconds_left};
    if (said.frames == 0 || minder.film) return;
    minder.film = true;  // an animation
    changed_.notify_all();
}

void Pool::mind(Minder& minder) {
    while (const auto task = take(minder)) run(minder, *task);
    minder.child.end();
}

void Pool::run(Minder& minder, Task& task) {
    double furthest = 0;  // the largest fraction at which a worker died
    std::string why;
    for (int left = options_.attempts; left > 0; --left) {
        const double before = furthest;
        if (attempt(minder, task, furthest, why)) return;
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
        }
        if (furthest > before + 0.001) left = options_.attempts;  // a film that got on is not what kills workers
    }
    finished(minder, 0, false);
    task.said(failure(task.work.id, Errc::internal,
                      "the worker process " + why + " while at this; it was given up after " +
                          std::to_string(options_.attempts) + " tries"));
}

bool Pool::attempt(Minder& minder, Task& task, double& furthest, std::string& why) {
    Child& child = minder.child;
    if (!child.running()) {
        ++starts_;
        if (!child.start(options_.program, minder.device, options_.threads)) return why = child.end(), false;
    }
    task.started();
    task.work.stills = minder.beside != nullptr;
    bool over = !write_line(child.socket(), to_line(task.work)), told = false;
    const auto began = Clock::now();
    Clock::time_point asked;
    Said last;
    bool answered = false;
    const auto take_line = [&](const std::string& line) {
        const auto said = said_of(line);
        if (!said || said->id != task.work.id || said->event == Said::Event::ready || answered) return;
        if (said->event == Said::Event::done || said->event == Said::Event::failed ||
            (said->event == Said::Event::film && task.work.stills)) {
            last = *said;
            answered = true;
            return;
        }
        if (said->event == Said::Event::progress) {
            furthest = std::max(furthest, said->fraction);
            advance(minder, *said);
        }
        task.said(*said);
    };
    while (!over && !answered) {
        pollfd waits[2] = {{child.socket(), POLLIN, 0}, {minder.wake, POLLIN, 0}};
        ::poll(waits, 2, 1000);
        eventfd_t ignored;
        ::eventfd_read(minder.wake, &ignored);
        bool cancelled = false;
        {
            const std::lock_guard lock(mutex_);
            cancelled = minder.cancelled;
            if (stopping_) return child.end(), false;
        }
        if (waits[0].revents != 0) over = !child.reader().read_some(child.socket(), take_line);
        if (cancelled && !told) {
            told = true;
            asked = Clock::now();
            write_line(child.socket(), "{\"cancel\":" + std::to_string(task.work.id) + "}");
        }
        const bool deaf = told && since(asked) > kGraceToStop;
        const bool late = task.work.seconds > 0 && since(began) > task.work.seconds + kGraceOverTime;
        if (answered || (!deaf && !late)) continue;
        child.end();
        last = failure(task.work.id, Errc::cancelled, deaf ? "stopped by the caller" : "the time limit is over");
        answered = true;
    }
    if (!answered) {
        ++crashes_;
        why = child.end();
        return false;
    }
    if (last.event == Said::Event::film) return put_back(minder), true;
    if (last.code == Errc::memory && last.event == Said::Event::failed) child.end();  // the next begins with all of it
    finished(minder, since(began), last.event == Said::Event::done);
    task.said(last);
    return true;
}

}  // namespace serve
