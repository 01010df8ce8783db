// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/at.hpp"
#include "image/format.hpp"
#include "video/frame_upscaler.hpp"
#include "video/rgb.hpp"
#include "video/tile_reuse.hpp"

namespace enlarge::video {

namespace {

std::vector<std::unique_ptr<Image>> images(Size size, int channels, int count) {
    std::vector<std::unique_ptr<Image>> out;
    for (int i = 0; i < count; ++i) out.push_back(std::make_unique<Image>(size, planar_float(channels)));
    return out;
}

std::int64_t bytes_of(Size size, int channels, int count) {
    return std::int64_t{size.width} * size.height * channels * 4 * count;
}

// A frame on its way, for the one after it.
struct Link {
    std::shared_ptr<Link> before;  // until this frame is done
    PooledImage in, out;
    std::promise<void> begun;        // `in` and `out` are there
    std::promise<bool> done;         // whether the result is
    std::shared_future<void> is_begun = begun.get_future().share();
    std::shared_future<bool> is_done = done.get_future().share();
    bool good = false;
};

// The frame after it must not wait for ever, whatever is thrown.
struct Ending {
    Ending(Link& its, bool remembers) : link(its), remembered(remembers) {}
    ~Ending() {
        link.before = nullptr;
        if (!remembered) link.in = link.out = nullptr;
        link.done.set_value(link.good);
    }
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    Link& link;
    bool remembered;
};

// One frame at a time on processors, with all threads on it; on other devices as many as keep them busy.
class RgbUpscaler final : public FrameUpscaler {
public:
    // Pictures on their way: one being made, those that wait, those in work, and one that is remembered for comparison.
    RgbUpscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line, int at_once)
        : channels_(rgb_channels(task.in.samples, task.out.samples)),
          remembers_(task.reuse && channels_.work == 3), pictures_(task.waiting + 1 + at_once + (remembers_ ? 1 : 0)),
          in_size_(task.in.size), out_size_(task.out.size),
          in_(line.object_pool(images(in_size_, channels_.in, pictures_))),
          out_(line.object_pool(images(out_size_, channels_.work, pictures_))) {
        for (int i = 0; i < at_once; ++i) {
            Worker& worker = workers_.emplace_back();
            if (i > 0) worker.more = std::make_unique<Enlarger>(enlarger.shared_engine(), enlarger.options());
            worker.enlarger = i > 0 ? worker.more.get() : &enlarger;
            worker.reuse = std::make_unique<TileReuse>(enlarger, in_size_, out_size_, remembers_);
        }
    }

    [[nodiscard]] ObjectPool<Image>* rgb_pictures() override { return &in_; }
    [[nodiscard]] int at_once() const override { return static_cast<int>(workers_.size()); }
    [[nodiscard]] std::string sentence() const override {
        if (at_once() == 1) return {};
        return "the GPU takes " + std::to_string(at_once()) + " frames at a time, over RGB";
    }
    [[nodiscard]] std::int64_t memory_bytes() const override {
        return bytes_of(in_size_, channels_.in, pictures_) + bytes_of(out_size_, channels_.work, pictures_);
    }
    // In the order of the frames.
    Result<bool> prepare(Item& item) override {
        item.picture = PooledImage(out_.take());
        if (!item.picture) return false;
        const std::lock_guard lock(mutex_);
        auto link = std::make_shared<Link>();
        link->before = std::exchange(newest_, link);
        links_[item.picture.get()] = std::move(link);
        return true;
    }
    Result<void> run(int worker, const FrameWindow& window, Item& result, const Progress& go_on) override;
    [[nodiscard]] FrameTally tally() const override {
        const std::lock_guard lock(mutex_);
        return tally_;
    }

private:
    struct Worker {
        std::unique_ptr<Enlarger> more;
        Enlarger* enlarger = nullptr;
        std::unique_ptr<TileReuse> reuse;
    };
    Result<double> partly(Worker& worker, Link& before, const ImageView& now, const MutableImageView& result);
    Result<void> compute(Worker& worker, Link* before, const ImageView& now, const MutableImageView& result,
                         const Progress& go_on);

    RgbChannels channels_;
    bool remembers_;
    int pictures_;
    Size in_size_, out_size_;
    ObjectPool<Image>&in_, &out_;
    std::vector<Worker> workers_;
    mutable std::mutex mutex_;
    std::map<const Image*, std::shared_ptr<Link>> links_;  // of frames in work, by what they are written to
    std::shared_ptr<Link> newest_;
    FrameTally tally_;
};

// The share of the frame that was computed; 1: nothing was done.
Result<double> RgbUpscaler::partly(Worker& worker, Link& before, const ImageView& now, const MutableImageView& result) {
    before.is_begun.wait();
    const double share = worker.reuse->look(std::as_const(*before.in).view(), now);
    if (share >= 1 || !before.is_done.get()) return 1.0;
    const auto done = worker.reuse->run(now, std::as_const(*before.out).view(), result);
    if (done.ok()) return share;
    if (done.error().code != Errc::device) return done.error();
    worker.reuse->stop();  // its device was lost: who computes all of the frame says so and goes on elsewhere
    return 1.0;
}

Result<void> RgbUpscaler::compute(Worker& worker, Link* before, const ImageView& now, const MutableImageView& result,
                                  const Progress& go_on) {
    double share = 1;
    if (before) {
        TRY(share, partly(worker, *before, now, result));
    }
    std::int64_t recomputed = 0;
    if (share >= 1) {
        TRY(const UpscaleReport done, worker.enlarger->run(now, result, go_on, InputKind::frame));
        recomputed = done.recomputed_tiles;
    }
    const std::lock_guard lock(mutex_);
    tally_.partial += share < 1;
    tally_.recomputed += recomputed;
    tally_.computed_pixels += share * in_size_.width * in_size_.height;
    return {};
}

Result<void> RgbUpscaler::run(int number, const FrameWindow& window, Item& result, const Progress& go_on) {
    std::shared_ptr<Link> link;
    {
        const std::lock_guard lock(mutex_);
        const auto it = links_.find(result.picture.get());
        link = std::move(it->second);
        links_.erase(it);
    }
    link->in = window.frame().picture;
    link->out = result.picture;
    link->begun.set_value();
    const Ending ending(*link, remembers_);
    Result<void> computed = compute(at(workers_, number), remembers_ ? link->before.get() : nullptr,
                                    with_channels(std::as_const(*link->in).view(), channels_.work),
                                    result.picture->view(), go_on);
    link->good = computed.ok();
    return computed;
}

// How many frames at a time, within what the caller allows.
int frames_at_once(const Enlarger& enlarger, const FrameTask& task) {
    const Program& program = enlarger.engine().program();
    const std::int64_t most = enlarger.options().memory_bytes, each = program.memory_bytes(task.in.size);
    int count = program.frames_at_once(task.in.size);
    while (count > 1 && most > 0 && each > most / count) --count;
    return count;
}

}  // namespace

Result<std::unique_ptr<FrameUpscaler>> make_rgb_upscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line) {
    const int at_once = frames_at_once(enlarger, task);
    return std::unique_ptr<FrameUpscaler>(std::make_unique<RgbUpscaler>(enlarger, task, line, at_once));
}

Result<std::unique_ptr<FrameUpscaler>> choose_upscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line) {
    TRY(auto surfaces, make_surface_upscaler(enlarger, task));
    if (surfaces) return surfaces;
    return make_rgb_upscaler(enlarger, task, line);
}

}  // namespace enlarge::video
