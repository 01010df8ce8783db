// SPDX-License-Identifier: Apache-2.0
// Runs a network over a tile: all threads walk the schedule together, taking pieces of every task.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/cpu/work_queue.hpp"
#include "backend/cpu/schedule.hpp"

namespace enlarge::cpu {

// Nanoseconds of one thread per kind of work, when asked for.
struct ThreadTimes {
    std::int64_t load = 0, weights = 0, input = 0, products = 0, output = 0, direct = 0, map = 0, picture = 0, wait = 0;
};

// Winograd blocks that a thread computes together, at most.
inline constexpr int kMostBlocks = 96;

// How V and M of a Winograd convolution lie in a thread's memory. Where outputs are made together (are_together), a
// position of M lies where V of the position before was, which is no longer needed.
struct BlockSizes {
    int blocks = 0;                              // computed together
    std::ptrdiff_t v_row = 0;                    // numbers of V from block to block: channels, or their terms
    std::size_t v_position = 0, m_position = 0;  // bytes from one position to the next
    std::size_t v = 0, m = 0, bytes = 0;         // where they begin, and how much memory that is
    Group all;                                   // of all outputs together
    bool together = false;
    // Whose products are made one after another.
    [[nodiscard]] std::span<const Group> in_turn(const std::vector<Group>& groups) const {
        return together ? std::span(&all, 1) : std::span(groups);
    }
};
// Values of 2 or 4 bytes, or terms of 2; blocks of 4 or 6 pixels, down and across.
BlockSizes block_sizes(int channels, const std::vector<Group>& groups, int value_bytes, int terms, int block,
                       const KernelTable& kernels);
// The products of all positions of such a convolution for a group, or for all outputs together.
TermProduct winograd_product(int channels, int terms, int block, const BFloat* v, std::ptrdiff_t v_position, int blocks,
                             const BFloat* w, int group, float* m, std::ptrdiff_t m_position,
                             const KernelTable& kernels);

// What one thread needs besides rows.
struct Scratch {
    Block products, end, line;
    float unit[kMostBlocks];  // of the blocks in v, when they are integers
    ThreadTimes times;
    TransformAbsMax transform_abs_max;
};

class Runner final : public Session {
public:
    Runner(std::shared_ptr<const LoweredNetwork> network, const KernelTable& kernels, ThreadPool* pool);

    Result<TileReport> run(const TileJob& job) override;

    // Keeps the largest V of every Winograd step, for calibration: of F(4x4,3x3).
    void observe_largest_v(bool on) { observing_ = on; }
    [[nodiscard]] TransformAbsMax transform_abs_max() const;

    void time_stages(bool on) override;
    [[nodiscard]] std::vector<StageTime> stage_times() const override;

private:
    struct Share {  // of a task
        Range rows, columns;
        Range blocks;  // which of its Winograd blocks, counted row by row
    };
    // How many pieces a share is cut into: of so many Winograd blocks, or of so many rows.
    struct Cut {
        int pieces = 0, unit = 1;
    };
    struct Context {
        const TileJob* job;
        Scratch* scratch;
    };

    [[nodiscard]] Result<TileReport> report() const;
    bool ask(const std::function<bool(double)>& progress, int task);
    void work(const TileJob& job, int index);
    [[nodiscard]] Share share(const Task& task, int part) const;
    [[nodiscard]] BlockSizes block_sizes_of(const Step& step) const;
    [[nodiscard]] Cut cut(const Task& task, const Share& share) const;
    [[nodiscard]] int pieces(int task, int part) const;
    // Weights that a task packs for the next one, and where it finds its own.
    struct Packs {
        int step = -1, to = 0, from = 0;
    };
    void plan_packs();
    [[nodiscard]] int packs(int task, int part) const;
    void compute(const Context& context, int task, int part, int piece);
    void load(const Context& context, const Step& step, const Share& share);
    void direct(const Context& context, const Step& step, const Share& share);
    void winograd(const Context& context, const Step& step, const Share& share, int packed);
    template <class V>
    void learn(const Context& context, const Step& step, const V* v, std::ptrdiff_t v_stride, int blocks, int channels);
    void map(const Context& context, const Step& step, const Share& share);
    template <class T>
    void map_as(const T& op, const Step& step, const Share& share);
    void store_rows(const Context& context, const Step& step, const Share& share);
    // Writes pixels [x, x + n) of row y of a last step to the picture.
    void store(const Context& context, const Step& step, const float* pixels, std::ptrdiff_t stride, int x, int y, int n);

    template <class V, class InputF32, class InputF16, class Product>
    void winograd_floats(const Context& context, const Step& step, const Share& share, const V* weights,
                         InputF32 input_f32, InputF16 input_f16, Product product);
    void winograd_terms(const Context& context, const Step& step, const Share& share, const BFloat* weights);
    template <class In, class Out, class Conv>
    void direct_as(const Context& context, const Step& step, const Share& share, Conv conv);
    template <class In, class V, class Sum, class Out, class Input, class Product, class Output>
    void winograd_as(const Context& context, const Step& step, const Share& share, const V* weights, Input input,
                     Product product, Output output);

    [[nodiscard]] const Tensor& tensor(int t) const { return network_->tensors[static_cast<std::size_t>(t)]; }
    [[nodiscard]] const Buffer& buffer(int t) const { return network_->buffers[static_cast<std::size_t>(tensor(t).buffer)]; }
    // Pixel 0 of row y of a tensor.
    template <class T>
    [[nodiscard]] T* pixels(int t, int y) const {
        return reinterpret_cast<T*>(schedule_.row(tensor(t).buffer, y)) + tensor(t).offset;
    }

    std::shared_ptr<const LoweredNetwork> network_;
    const KernelTable& kernels_;
    ThreadPool* pool_;
    Schedule schedule_;
    WorkQueue work_queue_;
    std::vector<Scratch> scratch_;
    std::vector<Packs> packs_;  // of each task, where the network has weights to pack
    Block packed_[2];
    std::atomic<bool> finite_{true}, cancelled_{false};
    std::chrono::steady_clock::time_point asked_;
    bool timing_ = false;
    bool observing_ = false;
};

// Pixels of a last step that a direct convolution hands to the picture at once.
inline constexpr int kEndPixels = 64;

// The bytes of scratch a thread needs for a network.
std::size_t scratch_bytes(const LoweredNetwork& network, const KernelTable& kernels);
// Of all threads together.
std::size_t shared_scratch_bytes(const LoweredNetwork& network);

}  // namespace enlarge::cpu
