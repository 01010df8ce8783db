// SPDX-License-Identifier: Apache-2.0
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

// One frame at a time, with all threads on it.
class RgbUpscaler final : public FrameUpscaler {
public:
    // Pictures on their way: one being made, those that wait, one in use, and one that is remembered for comparison.
    RgbUpscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line)
        : enlarger_(enlarger), channels_(rgb_channels(task.in.samples, task.out.samples)),
          remembers_(task.reuse && channels_.work == 3), pictures_(task.waiting + 2 + (remembers_ ? 1 : 0)),
          in_size_(task.in.size), out_size_(task.out.size),
          in_(line.object_pool(images(in_size_, channels_.in, pictures_))),
          out_(line.object_pool(images(out_size_, channels_.work, pictures_))),
          reuse_(enlarger, in_size_, out_size_, remembers_) {}

    [[nodiscard]] ObjectPool<Image>* rgb_pictures() override { return &in_; }
    [[nodiscard]] std::int64_t memory_bytes() const override {
        return bytes_of(in_size_, channels_.in, pictures_) + bytes_of(out_size_, channels_.work, pictures_);
    }
    Result<bool> prepare(Item& item) override {
        item.picture = PooledImage(out_.take());
        return item.picture != nullptr;
    }
    Result<void> run(int, const FrameWindow& window, Item& result, const Progress& go_on) override;
    [[nodiscard]] FrameTally tally() const override { return tally_; }

private:
    Enlarger& enlarger_;
    RgbChannels channels_;
    bool remembers_;
    int pictures_;
    Size in_size_, out_size_;
    ObjectPool<Image>&in_, &out_;
    TileReuse reuse_;
    PooledImage last_in_, last_out_;
    FrameTally tally_;
};

Result<void> RgbUpscaler::run(int, const FrameWindow& window, Item& result, const Progress& go_on) {
    const PooledImage& picture = window.frame().picture;
    const ImageView view = with_channels(std::as_const(*picture).view(), channels_.work);
    double share = 1;
    if (last_in_) {
        TRY(share, reuse_.run(last_in_->view(), view, last_out_->view(), result.picture->view()));
    }
    if (share < 1) {
        ++tally_.partial;
    } else {
        TRY(const UpscaleReport done, enlarger_.run(view, result.picture->view(), go_on, InputKind::frame));
        tally_.recomputed += done.recomputed_tiles;
    }
    tally_.computed_pixels += share * in_size_.width * in_size_.height;
    if (remembers_) {
        last_in_ = picture;
        last_out_ = result.picture;
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<FrameUpscaler>> make_rgb_upscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line) {
    return std::unique_ptr<FrameUpscaler>(std::make_unique<RgbUpscaler>(enlarger, task, line));
}

Result<std::unique_ptr<FrameUpscaler>> choose_upscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line) {
    TRY(auto surfaces, make_surface_upscaler(enlarger, task));
    if (surfaces) return surfaces;
    return make_rgb_upscaler(enlarger, task, line);
}

}  // namespace enlarge::video
