// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/cpu.hpp"

#include "backend/cpu/session.hpp"
#include "base/cpu.hpp"

namespace enlarge {
namespace {

using cpu::Element;
using cpu::Network;

class CpuProgram final : public Program {
public:
    CpuProgram(std::shared_ptr<const Network> network, const KernelTable& kernels, ThreadPool* pool, ProgramInfo info)
        : network_(std::move(network)), kernels_(kernels), pool_(pool), info_(std::move(info)) {}

    [[nodiscard]] const ProgramInfo& info() const override { return info_; }

    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override {
        const int multiple = network_->size_multiple;
        const Size size{(tile.width + multiple - 1) / multiple * multiple, (tile.height + multiple - 1) / multiple * multiple};
        cpu::Schedule schedule;
        schedule.plan(*network_, size, {0, 0, size.width, size.height}, true);
        const std::size_t threads = static_cast<std::size_t>(pool_ ? pool_->size() : 1);
        return static_cast<std::int64_t>(schedule.row_bytes() + threads * cpu::scratch_bytes(*network_, kernels_));
    }

    Result<std::unique_ptr<Session>> session() const override {
        return std::unique_ptr<Session>(std::make_unique<cpu::Runner>(network_, kernels_, pool_));
    }

private:
    std::shared_ptr<const Network> network_;
    const KernelTable& kernels_;
    ThreadPool* pool_;
    ProgramInfo info_;
};

class CpuBackend final : public Backend {
public:
    [[nodiscard]] std::string_view name() const override { return "cpu"; }

    std::vector<DeviceInfo> probe() const override {
        DeviceInfo device;
        device.id = "cpu";
        device.memory_bytes = free_memory_bytes();
        const Result<Isa> isa = chosen_isa();
        device.name = cpu_name();
        device.usable = isa.ok();
        const int cores = usable_cores();
        device.detail = isa.ok() ? std::string(isa_name(*isa)) + ", " + std::to_string(cores) + (cores == 1 ? " thread" : " threads") +
                                       "; fp32, fp16, int16"
                                 : isa.error().message;
        return {device};
    }

    Result<std::unique_ptr<Program>> compile(const Graph& graph, const CompileOptions& options) const override {
        TRY(const Isa isa, chosen_isa());
        const KernelTable& table = kernels(isa);
        cpu::LowerOptions lowering;
        lowering.pool = options.pool;
        switch (options.precision) {
            case Precision::automatic:
            case Precision::fp32: break;
            case Precision::fp16: lowering.element = Element::f16; break;
            case Precision::int16:
            case Precision::int8:
                return Error{Errc::unsupported, "the cpu backend has no " + std::string(precision_name(options.precision)) +
                                                    " path for this network; try fp32"};
        }
        TRY(Network network, cpu::lower(graph, table, lowering));
        ProgramInfo info;
        info.scale = network.scale;
        info.channels = network.in_channels;
        info.size_multiple = network.size_multiple;
        info.halo = network.halo;
        info.alignment = network.alignment;
        info.precision = lowering.element == Element::f16 ? Precision::fp16 : Precision::fp32;
        info.description = "cpu " + std::string(isa_name(isa)) + ", " +
                           (lowering.element == Element::f16 ? "fp16 rows" : "fp32") + ", Winograd F(4x4,3x3)";
        return std::unique_ptr<Program>(std::make_unique<CpuProgram>(std::make_shared<const Network>(std::move(network)), table,
                                                                     options.pool, std::move(info)));
    }
};

}  // namespace

const Backend& cpu_backend() {
    static const CpuBackend backend;
    return backend;
}

}  // namespace enlarge
