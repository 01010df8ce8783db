// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/session.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "backend/vulkan/choose.hpp"
#include "backend/vulkan/kernels.hpp"
#include "backend/vulkan/picture.hpp"
#include "base/log.hpp"

namespace enlarge::vulkan {
namespace {

constexpr std::uint64_t kUploadPiece = std::uint64_t{16} << 20;
constexpr std::uint64_t kBlock = 768;  // of one call's parameters: a multiple of every alignment that drivers ask for
// Which block an address is in; the bytes within it are below.
constexpr tensors::Address kWeights = tensors::Address{1} << 60, kMemory = tensors::Address{2} << 60;
constexpr tensors::Address kStaging = tensors::Address{3} << 60, kFlags = tensors::Address{4} << 60;
constexpr std::uint64_t kFlagBytes = 256;  // two words that say what was seen, at the beginning of staging too
// Submits should take about this long, in seconds: a desktop that shares the device stays smooth.
constexpr double kSubmitSeconds = 0.02;
constexpr double kFirstBudget = 1e8, kLeastBudget = 1e6, kMostBudget = 1e13;

struct Prepared {
    VkPipeline pipeline = VK_NULL_HANDLE;
    VkDescriptorSet set = VK_NULL_HANDLE;
    Choice choice;
};

class VulkanSession final : public Session {
public:
    explicit VulkanSession(std::shared_ptr<const Shared> shared)
        : shared_(std::move(shared)), device_(shared_->device) {}
    ~VulkanSession() override {
        transfer_.reset();  // waits
        commands_.reset();
        if (sets_) device_->vk.vkDestroyDescriptorPool(device_->handle(), sets_, nullptr);
    }
    Result<void> begin() {
        TRY(commands_, Commands::create(device_));
        if (!device_->transfer_queue()) return {};
        TRY(transfer_, Commands::create(device_, true));
        return {};
    }

    Result<TileReport> run(const TileJob& job) override {
        TRY(enlarge::check(job, shared_->info));
        if (job.progress && *job.progress && !(*job.progress)(0)) return Error{Errc::cancelled, "stopped"};
        TRY(commands_->wait());  // what a run that failed has left
        if (transfer_) TRY(transfer_->wait());
        TRY(prepare(job));
        std::memset(staging_.data(), 0, kFlagBytes);
        const bool light = pack_rows(job.in, staging_.data() + kFlagBytes);
        const auto began = std::chrono::steady_clock::now();
        TRY(move(staging_, words_, packed_bytes(job.in.format, job.in.size)));
        TRY(compute(job));
        TRY(move(words_, staging_, packed_bytes(written_format(job.out.format), job.out.size)));
        if (timed_)
            network_ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
        std::uint32_t seen[2];  // not finite, not zero
        std::memcpy(seen, staging_.data(), sizeof seen);
        if (!seen[0] && !seen[1] && light && shared_->accepted) return again_on_cpu(job);
        if (seen[1]) unpack_rows(staging_.data() + kFlagBytes, job.out);
        else fill_black(job.out);
        return TileReport{.finite = !seen[0]};
    }

    // The network with the way to the device and back: all that happens while the processor waits.
    void time_stages(bool on) override {
        timed_ = on;
        network_ms_ = 0;
    }
    [[nodiscard]] std::vector<StageTime> stage_times() const override { return {{"network", network_ms_}}; }

private:
    // What calls are prepared for.
    struct Kind {
        Size size{0, 0}, continued{0, 0};
        PixelFormat in, out;
        Rect core;
        bool operator==(const Kind&) const = default;
    };

    // Everything for tiles of this kind, kept until there is another.
    Result<void> prepare(const TileJob& job) {
        const Kind kind{job.in.size, job.continued, job.in.format, job.out.format, job.core};
        if (kind == kind_ && !calls_.empty()) return {};
        calls_.clear();
        TRY(plan_, shared_->plan(kind.size));
        TRY(shared_->holds(plan_, memory_.bytes()));
        if (shared_->bytes(plan_) > memory_.bytes()) {
            memory_ = Buffer();  // freed first: old and new need not fit at the same time
            TRY(memory_, Buffer::create(device_, shared_->bytes(plan_), Buffer::Use::device));
        }
        const PixelFormat written = written_format(kind.out);
        const std::uint64_t staged =
            kFlagBytes + std::max(packed_bytes(kind.in, kind.size), packed_bytes(written, job.out.size));
        if (staged > staging_.bytes()) {
            staging_ = Buffer();
            TRY(staging_, Buffer::create(device_, staged, Buffer::Use::host));
        }
        if (transfer_ && staged > words_.bytes()) {
            words_ = Buffer();
            TRY(words_, Buffer::create(device_, staged, Buffer::Use::device));
        }
        if (!flags_.bytes()) {
            TRY(flags_, Buffer::create(device_, kFlagBytes, Buffer::Use::device));
        }
        const int scale = shared_->info.scale;
        const Size large{kind.size.width * scale, kind.size.height * scale};
        const Rect core{job.core.x * scale, job.core.y * scale, job.core.width * scale, job.core.height * scale};
        const tensors::Address words = kStaging + kFlagBytes;
        auto calls = tensors::calls_of(shared_->graph, plan_, shared_->constants, kWeights, kMemory, kind.continued,
                                       shared_->fusion);
        calls.insert(calls.begin(), picture_in(kind.in, kind.size, words, kMemory + plan_.place[0], kFlags));
        calls.push_back(picture_out(kind.out, large, core, words, kMemory + plan_.place.back(), kFlags));
        TRY(prepare_calls(std::move(calls)));
        kind_ = kind;
        return {};
    }

    Result<void> prepare_calls(std::vector<tensors::Call> calls) {
        const DeviceFunctions& vk = device_->vk;
        if (sets_) vk.vkDestroyDescriptorPool(device_->handle(), sets_, nullptr);
        sets_ = VK_NULL_HANDLE;
        const auto count = static_cast<std::uint32_t>(std::max<std::size_t>(calls.size(), 1));
        const VkDescriptorPoolSize each{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, count * (kMostTensors + 1)};
        VkDescriptorPoolCreateInfo pool{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
        pool.maxSets = count;
        pool.poolSizeCount = 1;
        pool.pPoolSizes = &each;
        TRY(device_->check(vk.vkCreateDescriptorPool(device_->handle(), &pool, nullptr, &sets_),
                           "creating a descriptor pool"));
        if (count * kBlock > parameters_.bytes()) {
            parameters_ = Buffer();
            TRY(parameters_, Buffer::create(device_, count * kBlock, Buffer::Use::device));
        }
        std::vector<std::byte> blocks(count * kBlock);
        std::vector<Prepared> made;
        for (tensors::Call& call : calls) {
            const std::uint64_t at = made.size() * kBlock;
            TRY(const Prepared one, prepare_call(call, at));
            std::memcpy(blocks.data() + at, call.parameters.data(), call.parameters.size());
            made.push_back(one);
        }
        TRY(upload(device_, parameters_, blocks.data(), blocks.size()));
        calls_ = std::move(made);
        return {};
    }

    // Binds what the call's addresses name; each becomes the number's place in its binding.
    Result<Prepared> prepare_call(tensors::Call& call, std::uint64_t parameters_at) {
        const DeviceFunctions& vk = device_->vk;
        Prepared made{};
        made.choice = choose_kernel(call, device_->facts(), shared_->winograd, kWeights, shared_->numbers);
        TRY(made.pipeline, device_->kernel(made.choice.kernel, made.choice.form));
        const VkDescriptorSetLayout layout = device_->set_layout();
        VkDescriptorSetAllocateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
        info.descriptorPool = sets_;
        info.descriptorSetCount = 1;
        info.pSetLayouts = &layout;
        TRY(device_->check(vk.vkAllocateDescriptorSets(device_->handle(), &info, &made.set),
                           "creating descriptor sets"));
        std::array<VkDescriptorBufferInfo, kMostTensors + 1> buffers;
        buffers.fill({shared_->weights.handle(), 0, 256});
        buffers[0] = {parameters_.handle(), parameters_at, kBlock};
        for (std::size_t i = 0; i < static_cast<std::size_t>(addresses_of(made.choice.kernel)); ++i) {
            tensors::Address address = 0;
            std::byte* const where = call.parameters.data() + i * sizeof address;
            std::memcpy(&address, where, sizeof address);
            if (address == 0) continue;
            const Block block = block_of(address);
            buffers[i + 1] = binding_of(block);
            const std::uint64_t place[] = {(block.at - buffers[i + 1].offset) / block.unit | 1ULL << 32};
            std::memcpy(where, place, sizeof place);
        }
        std::array<VkWriteDescriptorSet, kMostTensors + 1> writes{};
        for (std::size_t i = 0; i < writes.size(); ++i) {
            writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
            writes[i].dstSet = made.set;
            writes[i].dstBinding = static_cast<std::uint32_t>(i);
            writes[i].descriptorCount = 1;
            writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
            writes[i].pBufferInfo = &buffers[i];
        }
        vk.vkUpdateDescriptorSets(device_->handle(), static_cast<std::uint32_t>(writes.size()), writes.data(), 0,
                                  nullptr);
        return made;
    }

    // Where an address is: in which buffer, at which byte; and the bytes of a number there.
    struct Block {
        const Buffer& buffer;
        std::uint64_t at, unit;
    };
    [[nodiscard]] Block block_of(tensors::Address address) const {
        const std::uint64_t at = address & (kWeights - 1);
        switch (address - at) {
            case kWeights: return {shared_->weights, at, sizeof(float)};
            case kMemory: return {memory_, at / sizeof(float) * shared_->unit(), shared_->unit()};
            case kStaging: return {transfer_ ? words_ : staging_, at, sizeof(std::uint32_t)};
            default: return {flags_, at, sizeof(std::uint32_t)};
        }
    }
    [[nodiscard]] VkDescriptorBufferInfo binding_of(const Block& block) const {
        const VkPhysicalDeviceLimits& limits = device_->facts().limits;
        const std::uint64_t unit = std::max<std::uint64_t>(limits.minStorageBufferOffsetAlignment, 4);
        const std::uint64_t first = block.at / unit * unit;
        return {block.buffer.handle(), first,
                std::min<std::uint64_t>(block.buffer.bytes() - first, limits.maxStorageBufferRange / 4 * 4)};
    }

    // ---- running ----

    Result<void> compute(const TileJob& job) {
        TRY(VkCommandBuffer buffer, commands_->begin());
        double all = 0, done = 0, room = budget_;
        for (const Prepared& call : calls_) all += call.choice.work * static_cast<double>(call.choice.items);
        for (const Prepared& call : calls_) {
            commands_->barrier(buffer);
            bind(buffer, call);
            for (std::uint64_t first = 0; first < call.choice.items;) {
                if (room < call.choice.work) {
                    TRY(buffer, next_piece(job, done / all));
                    room = budget_;
                    bind(buffer, call);
                } else if (first > 0) {
                    // Bindings reach beyond their tensors, so layers see a hazard between two parts of a call.
                    commands_->barrier(buffer);
                }
                const std::uint64_t count = dispatch(buffer, call, first, room);
                first += count;
                room -= call.choice.work * static_cast<double>(count);
                done += call.choice.work * static_cast<double>(count);
            }
        }
        commands_->barrier(buffer);
        const VkBufferCopy region{0, 0, 2 * sizeof(std::uint32_t)};
        device_->vk.vkCmdCopyBuffer(buffer, flags_.handle(), staging_.handle(), 1, &region);
        commands_->to_host(buffer);
        TRY(commands_->submit());
        return commands_->wait();
    }

    // What is recorded is sent off; how much a piece holds follows from how long pieces take.
    Result<VkCommandBuffer> next_piece(const TileJob& job, double done) {
        TRY(commands_->submit());
        TRY(VkCommandBuffer buffer, commands_->begin());
        const double seconds = commands_->last_seconds();
        if (seconds > 1.5 * kSubmitSeconds) budget_ = std::max(kLeastBudget, budget_ * 0.6);
        if (seconds > 0 && seconds < 0.6 * kSubmitSeconds) budget_ = std::min(kMostBudget, budget_ * 1.5);
        if (job.progress && *job.progress && !(*job.progress)(done)) {
            TRY(commands_->submit());  // an empty one: what was begun is ended
            TRY(commands_->wait());
            return Error{Errc::cancelled, "stopped"};
        }
        return buffer;
    }

    void bind(VkCommandBuffer buffer, const Prepared& call) {
        const DeviceFunctions& vk = device_->vk;
        vk.vkCmdBindPipeline(buffer, VK_PIPELINE_BIND_POINT_COMPUTE, call.pipeline);
        vk.vkCmdBindDescriptorSets(buffer, VK_PIPELINE_BIND_POINT_COMPUTE, device_->pipeline_layout(), 0, 1, &call.set,
                                   0, nullptr);
    }

    // As many items as there is room for, from `first`. Returns how many.
    std::uint64_t dispatch(VkCommandBuffer buffer, const Prepared& call, std::uint64_t first, double room) {
        const std::uint64_t threads = call.choice.groups ? 1 : call.choice.form.threads;
        const std::uint64_t most =
            threads * std::min<std::uint32_t>(device_->facts().limits.maxComputeWorkGroupCount[0], 1U << 20);
        const double fit = std::max(1.0, std::min(room / call.choice.work, 1e15));
        const std::uint64_t wanted = std::max<std::uint64_t>(static_cast<std::uint64_t>(fit) / threads, 1) * threads;
        const std::uint64_t count = std::min({call.choice.items - first, most, wanted});
        const std::uint32_t range[2] = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(first + count)};
        device_->vk.vkCmdPushConstants(buffer, device_->pipeline_layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof range,
                                       range);
        device_->vk.vkCmdDispatch(buffer, static_cast<std::uint32_t>((count + threads - 1) / threads), 1, 1);
        return count;
    }

    // Between the staging block and the device's, on the queue that only copies, while that of kernels has other
    // sessions' work. Nothing where kernels reach into the staging block themselves.
    Result<void> move(const Buffer& from, const Buffer& to, std::uint64_t bytes) {
        if (!transfer_) return {};
        TRY(VkCommandBuffer buffer, transfer_->begin());
        const VkBufferCopy region{kFlagBytes, kFlagBytes, bytes};
        device_->vk.vkCmdCopyBuffer(buffer, from.handle(), to.handle(), 1, &region);
        transfer_->to_host(buffer);
        TRY(transfer_->submit());
        return transfer_->wait();
    }

    // ---- what came back ----

    // A tile of nothing but zeros is what broken drivers give, and seldom what a network makes of a picture.
    Result<TileReport> again_on_cpu(const TileJob& job) {
        TRY(const Program* const cpu, shared_->on_cpu());
        TRY(const auto session, cpu->session());
        const std::lock_guard lock(shared_->mutex);
        if (!shared_->said_zero)
            log(LogLevel::notice, {"tile-black", device_->facts().name + ": a tile of " +
                                                     std::to_string(job.in.size.width) + "x" +
                                                     std::to_string(job.in.size.height) +
                                                     " pixels came back all zero; such tiles are computed again on "
                                                     "the processor"});
        shared_->said_zero = true;
        return session->run(job);
    }

    std::shared_ptr<const Shared> shared_;
    std::shared_ptr<Device> device_;
    std::unique_ptr<Commands> commands_, transfer_;  // the latter only where there is a queue for it
    Buffer memory_, staging_, words_, flags_, parameters_;
    VkDescriptorPool sets_ = VK_NULL_HANDLE;
    tensors::Plan plan_;
    Kind kind_;
    bool timed_ = false;
    double network_ms_ = 0;
    std::vector<Prepared> calls_;
    double budget_ = kFirstBudget;  // steps of innermost loops that one submit holds
};

}  // namespace

Result<void> upload(const std::shared_ptr<Device>& device, const Buffer& to, const void* from, std::uint64_t bytes) {
    if (bytes == 0) return {};
    TRY(const Buffer staging, Buffer::create(device, std::min(bytes, kUploadPiece), Buffer::Use::host));
    TRY(const auto commands, Commands::create(device));
    for (std::uint64_t at = 0; at < bytes; at += kUploadPiece) {
        const std::uint64_t piece = std::min(kUploadPiece, bytes - at);
        std::memcpy(staging.data(), static_cast<const std::byte*>(from) + at, piece);
        TRY(VkCommandBuffer buffer, commands->begin());
        const VkBufferCopy region{0, at, piece};
        device->vk.vkCmdCopyBuffer(buffer, staging.handle(), to.handle(), 1, &region);
        TRY(commands->submit());
        TRY(commands->wait());
    }
    return {};
}

Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const Shared> shared) {
    auto session = std::make_unique<VulkanSession>(std::move(shared));
    TRY(session->begin());
    return std::unique_ptr<Session>(std::move(session));
}

}  // namespace enlarge::vulkan
