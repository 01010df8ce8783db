// SPDX-License-Identifier: Apache-2.0
// Runs a network of tensors over a tile.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <type_traits>
#include <vector>

#include "backend/cpu/tensors/network.hpp"
#include "backend/cpu/tensors/staged.hpp"

namespace enlarge::cpu::tensors {

// A node's result.
struct Tensor {
    const Layout* layout = nullptr;
    float* data = nullptr;

    [[nodiscard]] int channels() const { return layout->channels; }
    [[nodiscard]] int padded() const { return layout->padded; }
    [[nodiscard]] int width() const { return layout->width; }
    [[nodiscard]] int height() const { return layout->height; }
    // Pixel 0 of row y, and pixel x.
    [[nodiscard]] float* row(int y) const {
        return data + y * layout->row_floats + std::ptrdiff_t{layout->left} * layout->padded;
    }
    [[nodiscard]] float* pixel(int y, int x) const { return row(y) + std::ptrdiff_t{x} * layout->padded; }
};

// Memory of one thread, for whatever it does; what it holds is lost when more is asked for.
class Scratch {
public:
    float* floats(std::int64_t count) {
        const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
        if (block_.bytes() < bytes) block_ = Block(bytes);
        return block_.as<float>();
    }
    [[nodiscard]] std::size_t bytes() const { return block_.bytes(); }

private:
    Block block_;
};

// Sums over pixels, for each channel: row by row in double precision, then over the rows in order, so that threads
// change nothing, nor tiles that come from left to right.
class RowSums {
public:
    // `channels`: padded.
    RowSums(const KernelTable& kernels, int rows, int channels)
        : kernels_(kernels), rows_(static_cast<std::size_t>(rows)), channels_(static_cast<std::size_t>(channels)),
          sums_(rows_ * channels_, 0.0) {}

    // Adds `count` pixels beside each other to a row's sums, or the squares of what they are off `mean`. Different rows
    // at the same time.
    void add(int row, const float* pixel, int count, const double* mean = nullptr) {
        const auto channels = static_cast<int>(channels_);
        kernels_.sum_f32_f64(pixel, channels, count, channels, mean,
                             sums_.data() + static_cast<std::size_t>(row) * channels_);
    }

    [[nodiscard]] std::vector<double> total() const {
        std::vector<double> all(channels_, 0.0);
        for (std::size_t y = 0; y < rows_; ++y)
            for (std::size_t k = 0; k < channels_; ++k) all[k] += sums_[y * channels_ + k];
        return all;
    }

private:
    const KernelTable& kernels_;
    std::size_t rows_, channels_;
    std::vector<double> sums_;
};

// The result of op::GlobalMean: norms.cpp.
void put_mean(const std::vector<double>& sums, std::int64_t pixels, const Tensor& to);

class Runner final : public Session {
public:
    Runner(std::shared_ptr<const PreparedNetwork> network, const ProgramInfo& info, const KernelTable& kernels, ThreadPool* pool);
    Result<TileReport> run(const TileJob& job) override;
    // By operation: all threads work on one at a time.
    void time_stages(bool on) override;
    [[nodiscard]] std::vector<StageTime> stage_times() const override;
    // What threads have taken for themselves.
    [[nodiscard]] std::int64_t scratch_bytes() const;

private:
    friend struct Compute;

    Result<TileReport> run_whole(const TileJob& job);
    void reserve(Block& block, std::int64_t floats) const;
    void load(const TileJob& job);
    // Pixels of a result to `out`, which is as large as `part`.
    TileReport store(const Tensor& from, const Rect& part, const MutableImageView& out);
    // `continued`: of what the tensors hold, as in TileJob.
    void compute(const Step& step, Size continued);
    void compute_now(const Step& step, Size continued);
    template <class Body>
    void timed(const char* name, const Body& body);
    // Steps first <= s < end, which PreparedNetwork::end has together; and these part by part: together.cpp.
    void compute_all(std::size_t first, std::size_t end, Size continued);
    void compute_together(std::size_t first, std::size_t end, Size continued);
    void compute_plainly(const Step& step, Size continued);
    void clear_borders(const Tensor& tensor) const;

    // session_staged.cpp
    class Tiles;
    Result<TileReport> run_staged(const TileJob& job);

    [[nodiscard]] const Node& node(int i) const { return network_->graph.nodes()[static_cast<std::size_t>(i)]; }
    // Calls body(i, scratch) for 0 <= i < count on all threads, each i once.
    void parallel(std::int64_t count, const std::function<void(std::int64_t, Scratch&)>& body);

    std::shared_ptr<const PreparedNetwork> network_;
    const ProgramInfo& info_;
    const KernelTable& kernels_;
    ThreadPool* pool_;
    Size placed_{0, 0};
    Layouts layouts_;            // of a picture in one go
    std::optional<StagedPlan> staged_;
    std::pair<Size, std::int64_t> staged_for_;  // picture, memory
    Block arena_, tile_arena_;
    std::vector<Tensor> tensors_;  // by node: where its result is at the moment
    std::vector<float> zeros_;     // as long as the longest row
    std::vector<Scratch> scratch_;
    bool timed_ = false;
    std::map<const char*, double> times_;  // milliseconds
};

// Memory for n pixels of an input of so many channels as terms, and for sums.
std::int64_t term_floats(const Convolution& c, int channels, int n, const KernelTable& kernels);

// What a thread takes at most for a convolution of an input of so many channels, padded: of parts; and of any, but for
// the lines of those in groups, which are as long as the picture's.
std::int64_t parts_floats(const Convolution& c, int channels, const KernelTable& kernels);
std::int64_t scratch_floats(const Convolution& c, int channels, const KernelTable& kernels);
// And for steps first <= s < end, which are computed together.
std::int64_t together_floats(const PreparedNetwork& network, std::size_t first, std::size_t end,
                             const KernelTable& kernels);

// Pixels beside each other: n from (x, y) on. Of tensors without borders a span may go on over the ends of rows.
struct PixelSpan {
    int y = 0, x = 0, n = 0;
};

// The operations that have code of their own here, on pixels alone.
struct Compute {
    Runner& run;
    const Step& step;
    Tensor out;
    std::vector<Tensor> in;
    Size continued;  // of the picture, as in TileJob

    std::optional<PixelSpan> only =
        {};  // what is to be computed of a result whose pixels depend on those at their place alone
    float* only_memory = nullptr;  // for terms: term_floats() of them

    [[nodiscard]] const Tensor& a() const { return in[0]; }
    [[nodiscard]] const Tensor& b() const { return in[1]; }
    [[nodiscard]] const KernelTable& kernels() const { return run.kernels_; }
    // Calls body(i, scratch) for 0 <= i < count on all threads, each i once.
    void parallel(std::int64_t count, const std::function<void(std::int64_t, Scratch&)>& body) const {
        run.parallel(count, body);
    }
    // Pixel 0 of a row of zeros as long as the first input's.
    [[nodiscard]] const float* zero_row() const {
        return run.zeros_.data() + std::ptrdiff_t{a().layout->left} * a().padded();
    }
    // Rows of the result, in parallel: body(y).
    void rows(const std::function<void(int)>& body) const {
        run.parallel(out.height(), [&](std::int64_t y, Scratch&) { body(static_cast<int>(y)); });
    }

    // The result in parts: body(y, x, n).
    void spans(const std::function<void(int, int, int)>& body) const {
        if (only) return body(only->y, only->x, only->n);
        rows([&](int y) { body(y, 0, out.width()); });
    }

    // convolutions.cpp
    void convolve() const;
    void direct(const Convolution& c) const;
    [[nodiscard]] Target<float> pixels_of(const Convolution& c, const Group& group, int y, int x, int n) const;
    void direct_of_terms(const Convolution& c, int y, int x, int n, float* memory) const;
    void winograd(const Convolution& c) const;
    // Where n blocks from (x, y) on go, and what is done to their numbers then.
    [[nodiscard]] Target<float> blocks_of(const Convolution& c, const Group& group, int x, int y, int n) const;
    void map_blocks(const Convolution& c, int x, int y, int n) const;
    void depthwise(const Convolution& c) const;
    void grouped(const Convolution& c) const;
    // parts.cpp
    void parts(const Convolution& c) const;

    // pixels.cpp
    void operator()(const op::Prelu& op) const;
    void operator()(const op::LeakyRelu& op) const;
    void operator()(const op::Silu& op) const;
    void operator()(const op::Gelu& op) const;
    void operator()(const op::Mish& op) const;
    void operator()(const op::Sigmoid& op) const;
    void operator()(const op::Tanh& op) const;
    void operator()(const op::HardSwish& op) const;
    void operator()(const op::Clamp& op) const;
    void operator()(const op::Add& op) const;
    void operator()(const op::Multiply& op) const;
    void operator()(const op::Maximum& op) const;
    void operator()(const op::SpanGate& op) const;
    void operator()(const op::ScaleShift& op) const;
    void operator()(const op::Concat& op) const;
    void operator()(const op::Slice& op) const;
    void operator()(const op::PixelShuffle& op) const;
    void operator()(const op::PixelUnshuffle& op) const;
    void operator()(const op::UpsampleNearest& op) const;
    void operator()(const op::Crop& op) const;
    void operator()(const op::Pad& op) const;
    void operator()(const op::Roll& op) const;
    void operator()(const op::DynamicConv2d& op) const;

    // norms.cpp
    void operator()(const op::LayerNorm& op) const;
    void operator()(const op::RmsNorm& op) const;
    void operator()(const op::L2Norm& op) const;
    void operator()(const op::GroupNorm& op) const;
    void operator()(const op::InstanceNorm& op) const;
    void operator()(const op::GlobalMean& op) const;

    // places.cpp
    void operator()(const op::Resize& op) const;
    void operator()(const op::GridSample& op) const;
    void operator()(const op::MaxPool& op) const;
    void operator()(const op::AveragePool& op) const;

    // attention.cpp, channel_attention.cpp
    void operator()(const op::WindowAttention& op) const;
    void operator()(const op::GridAttention& op) const;
    void operator()(const op::OverlapAttention& op) const;
    void operator()(const op::ChannelAttention& op) const;

    // Operations without code of their own.
    struct None {};
    template <class T>
    None operator()(const T&) const {
        return {};
    }
    template <class T>
    static constexpr bool has_code = std::is_void_v<std::invoke_result_t<const Compute&, const T&>>;
};

}  // namespace enlarge::cpu::tensors
