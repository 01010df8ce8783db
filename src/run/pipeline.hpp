// SPDX-License-Identifier: Apache-2.0
// Stages that run side by side, joined by bounded queues: decode, convert, infer, convert, encode.
//
//     Pipeline line;
//     auto& frames = line.object_pool(std::move(eight_frames));  // all memory of the stream
//     auto& decoded = line.queue<Item>(4);
//     line.stage("decode", [&](Stage& stage) -> Result<void> { ... decoded.push(std::move(item)) ... });
//     line.stage("encode", [&](Stage& stage) -> Result<void> { while (auto item = decoded.pop()) ... });
//     TRY(line.run(poll));
//
// A stage that returns an error, or throws, stops all: every push and pop then returns at once, and run() returns the
// first error. Order is kept because every queue is first in, first out.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace enlarge {

// What a queue must do when the line is stopped, and before it is destroyed.
class Stoppable {
public:
    virtual ~Stoppable() = default;
    virtual void stop() = 0;
    virtual void clear() {}
};

// A bounded queue between stages; any number of producers and consumers. Allocates nothing after construction.
template <class T>
class Queue : public Stoppable {
public:
    explicit Queue(std::size_t capacity) : slots_(capacity ? capacity : 1) {}

    // Waits for room. False when the line was stopped (the value is dropped).
    bool push(T value) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return stopped_ || count_ < slots_.size(); });
        if (stopped_) return false;
        slots_[(first_ + count_++) % slots_.size()].emplace(std::move(value));
        lock.unlock();
        filled_.notify_one();
        return true;
    }
    // Waits for a value. Empty when the queue is closed and drained, or the line was stopped.
    std::optional<T> pop() {
        std::unique_lock lock(mutex_);
        filled_.wait(lock, [&] { return stopped_ || count_ > 0 || closed_; });
        if (stopped_ || count_ == 0) return std::nullopt;
        std::optional<T> value = std::move(slots_[first_]);
        slots_[first_].reset();
        first_ = (first_ + 1) % slots_.size();
        --count_;
        lock.unlock();
        room_.notify_one();
        return value;
    }
    // A value if one is there now.
    std::optional<T> try_pop() {
        std::unique_lock lock(mutex_);
        if (stopped_ || count_ == 0) return std::nullopt;
        std::optional<T> value = std::move(slots_[first_]);
        slots_[first_].reset();
        first_ = (first_ + 1) % slots_.size();
        --count_;
        lock.unlock();
        room_.notify_one();
        return value;
    }
    // Nothing more will be pushed: consumers drain what is left.
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        filled_.notify_all();
    }
    void stop() override {
        {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        filled_.notify_all();
        room_.notify_all();
    }
    void clear() override {
        for (auto& slot : slots_) slot.reset();
    }
    [[nodiscard]] std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return count_;
    }
    [[nodiscard]] std::size_t capacity() const { return slots_.size(); }

private:
    mutable std::mutex mutex_;
    std::condition_variable filled_, room_;
    std::vector<std::optional<T>> slots_;
    std::size_t first_ = 0, count_ = 0;
    bool closed_ = false, stopped_ = false;
};

// A fixed set of reusable objects (frames). take() waits until one is free; the handle gives it back when it dies.
template <class T>
class ObjectPool : public Stoppable {
public:
    struct GiveBack {
        ObjectPool* owner = nullptr;
        void operator()(T* item) const {
            if (owner) owner->give_back(item);
        }
    };
    using Handle = std::unique_ptr<T, GiveBack>;

    explicit ObjectPool(std::vector<std::unique_ptr<T>> items) : items_(std::move(items)) {
        free_.reserve(items_.size());
        for (auto& item : items_) free_.push_back(item.get());
    }
    // Null when stopped.
    Handle take() {
        std::unique_lock lock(mutex_);
        freed_.wait(lock, [&] { return stopped_ || !free_.empty(); });
        if (stopped_) return Handle(nullptr, GiveBack{this});
        T* item = free_.back();
        free_.pop_back();
        return Handle(item, GiveBack{this});
    }
    void stop() override {
        {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        freed_.notify_all();
    }

private:
    void give_back(T* item) {
        {
            const std::lock_guard lock(mutex_);
            free_.push_back(item);
        }
        freed_.notify_one();
    }
    std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<T>> items_;
    std::vector<T*> free_;
    bool stopped_ = false;
};

// How a stage spent its time.
struct BusyTime {
    std::string name;
    std::int64_t items = 0;
    double busy_s = 0;   // inside Stage::work()
    double total_s = 0;  // from start to end of the stage
};

// Handed to the body of a stage.
class Stage {
public:
    // Runs `body` and counts its time as busy; what waits for queues stays outside.
    template <class Body>
    auto work(Body&& body) {
        const Busy busy(*this);
        return body();
    }
    // The same for a part of the work on one item: time that counts, but no item.
    template <class Body>
    auto work_more(Body&& body) {
        const Busy busy(*this, 0);
        return body();
    }
    // True once the line is being stopped: leave.
    [[nodiscard]] bool stopping() const;

private:
    friend class Pipeline;
    struct Busy {
        explicit Busy(Stage& stage, int items = 1)
            : stage(stage), items(items), start(std::chrono::steady_clock::now()) {}
        ~Busy() {
            const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
            const std::lock_guard lock(stage.mutex_);
            stage.times_.busy_s += spent.count();
            stage.times_.items += items;
        }
        Stage& stage;
        int items;
        std::chrono::steady_clock::time_point start;
    };
    mutable std::mutex mutex_;
    BusyTime times_;
    const class Pipeline* line_ = nullptr;
};

class Pipeline {
public:
    Pipeline();
    ~Pipeline();
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    // A queue that lives as long as the line and stops with it.
    template <class T>
    Queue<T>& queue(std::size_t capacity) {
        auto owned = std::make_unique<Queue<T>>(capacity);
        Queue<T>& reference = *owned;
        queues_.push_back(std::move(owned));
        return reference;
    }
    // Reusable objects; take() returns null once the line is stopped.
    template <class T>
    ObjectPool<T>& object_pool(std::vector<std::unique_ptr<T>> items) {
        auto owned = std::make_unique<ObjectPool<T>>(std::move(items));
        ObjectPool<T>& reference = *owned;
        queues_.push_back(std::move(owned));
        return reference;
    }
    // Adds a stage; it gets a thread of its own in run(). When it ends well it must have closed the queues it fills.
    void stage(std::string name, std::function<Result<void>(Stage&)> body);

    // Starts all stages and waits for them. `poll` is called about every 100 ms on this thread; false stops the line
    // with Errc::cancelled. Returns the first error of any stage. Call once.
    Result<void> run(const std::function<bool()>& poll = {});

    // Stops the line from any thread; run() then returns `reason`, unless an earlier error is there.
    void stop(Error reason);

    // In the order the stages were added; may be called while the line runs.
    [[nodiscard]] std::vector<BusyTime> times() const;
    [[nodiscard]] bool stopping() const;

private:
    struct State;
    std::unique_ptr<State> state_;
    std::vector<std::unique_ptr<Stoppable>> queues_;
};

}  // namespace enlarge
