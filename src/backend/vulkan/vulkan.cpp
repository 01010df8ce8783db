// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/vulkan.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <mutex>

#include "backend/vulkan/program.hpp"
#include "backend/vulkan/self_check.hpp"
#include "base/log.hpp"

namespace enlarge {
namespace vulkan {
namespace {

constexpr double kLeastAskedDb = 40;  // of half precision that was asked for: what rounding alone stays above

std::string text_of(double number, int digits) {
    char text[40];
    std::snprintf(text, sizeof text, "%.*g", digits, number);
    return text;
}

class VulkanBackend final : public Backend {
public:
    explicit VulkanBackend(BackendOptions options) : options_(std::move(options)) {}

    [[nodiscard]] std::string_view name() const override { return "vulkan"; }
    [[nodiscard]] DeviceKind kind() const override { return DeviceKind::gpu; }

    std::vector<DeviceInfo> probe() const override {
        const auto listed = list();
        if (!listed.ok()) {
            DeviceInfo info{
                .id = "vulkan", .name = "Vulkan device", .detail = listed.error().message, .kind = DeviceKind::gpu};
            info.fallback_to = "cpu";
            return {info};
        }
        std::vector<DeviceInfo> found;
        for (const Facts& facts : *listed) found.push_back(describe(facts, static_cast<int>(found.size())));
        return found;
    }

    Result<std::unique_ptr<Program>> compile(const Graph& graph, const CompileOptions& options) const override {
        const Precision wanted = options.precision;
        if (wanted == Precision::int16 || wanted == Precision::int8)
            return Error{Errc::unsupported, "Vulkan has no precision " + std::string(precision_name(wanted)) +
                                                "; it has fp32 and fp16"};
        TRY(const auto listed, list());
        const bool any = options.device < 0;
        const int index = any ? fastest(listed, graph, options) : options.device;
        if (index < 0) return Error{Errc::device, listed[0].name + ": " + listed[0].refusal};
        if (index >= static_cast<int>(listed.size()))
            return Error{Errc::device, "there is no vulkan:" + std::to_string(index) + "; there are " +
                                           std::to_string(listed.size()) + " Vulkan devices, from vulkan:0 on"};
        const Facts& facts = listed[static_cast<std::size_t>(index)];
        if (!facts.refusal.empty()) return Error{Errc::device, facts.name + ": " + facts.refusal};
        TRY(auto program, make_on(index, any, listed, graph, options));
        return std::unique_ptr<Program>(std::move(program));
    }

    [[nodiscard]] bool has_hardware() const {
        const auto listed = list();
        const auto real = [](const Facts& facts) { return facts.refusal.empty() && !facts.software(); };
        return listed.ok() && std::any_of(listed->begin(), listed->end(), real);
    }

    Result<void> worth_choosing(const Graph& graph, const Program& program, const CompileOptions& options) const {
        const auto& mine = static_cast<const VulkanProgram&>(program);
        const Facts& facts = mine.facts();
        TRY(const Verdict verdict, verdict_of(graph, mine, facts, options, true));
        if (verdict.device_ms <= verdict.cpu_ms) return {};
        return Error{Errc::unsupported, facts.name + " takes " + text_of(verdict.device_ms, 3) +
                                            " ms for a small picture, the processor " + text_of(verdict.cpu_ms, 3) +
                                            " ms"};
    }

    [[nodiscard]] std::string report() const {
        const auto listed = list();
        std::string text;
        for (std::size_t i = 0; listed.ok() && i < listed->size(); ++i) {
            const Facts& facts = (*listed)[i];
            text += "vulkan:" + std::to_string(i) + "\n" + report_of(facts, budget_of(*instance_, facts));
        }
        return text;
    }

private:
    // On a device, with `twins` also on those of its kind: they share a job, and no frame shows which computed it.
    Result<std::unique_ptr<VulkanProgram>> make_on(int index, bool twins, const std::vector<Facts>& listed,
                                                   const Graph& graph, const CompileOptions& options) const {
        const Facts& facts = listed[static_cast<std::size_t>(index)];
        TRY(auto first, open(facts, index, options.cache_folder));
        Devices devices{std::move(first)};
        for (int i = 0; twins && i < static_cast<int>(listed.size()); ++i) {
            const Facts& other = listed[static_cast<std::size_t>(i)];
            if (i == index || !same_kind(facts, other)) continue;
            auto twin = open(other, i, options.cache_folder);
            if (twin.ok()) devices.push_back(*twin);
            else log(LogLevel::notice, {"device-not-used", "vulkan:" + std::to_string(i) + " is left out: " +
                                                               twin.error().message});
        }
        TRY(auto program, choose(devices, graph, options));
        program->accept();
        for (const auto& device : devices) device->store_pipelines();
        return program;
    }

    // Of several kinds of cards the one that was measured to be the fastest with this network; else what is best by its
    // looks.
    int fastest(const std::vector<Facts>& listed, const Graph& graph, const CompileOptions& options) const {
        const int best = best_device(listed);
        std::vector<int> kinds;
        for (int i = 0; i < static_cast<int>(listed.size()); ++i) {
            const Facts& facts = listed[static_cast<std::size_t>(i)];
            const auto known = [&](int k) { return same_kind(listed[static_cast<std::size_t>(k)], facts); };
            if (facts.refusal.empty() && !facts.software() && std::none_of(kinds.begin(), kinds.end(), known))
                kinds.push_back(i);
        }
        if (kinds.size() < 2 || !options_.self_check) return best;
        int found = best;
        double least = 0;
        for (const int i : kinds) {
            const Facts& facts = listed[static_cast<std::size_t>(i)];
            const auto program = make_on(i, false, listed, graph, options);
            const auto verdict = program.ok() ? verdict_of(graph, **program, facts, options, true)
                                              : Result<Verdict>(program.error());
            if (!verdict.ok()) {
                log(LogLevel::notice, {"device-not-used", "vulkan:" + std::to_string(i) + " is left out: " +
                                                              verdict.error().message});
                continue;
            }
            if (least != 0 && verdict->device_ms >= least) continue;
            found = i;
            least = verdict->device_ms;
        }
        return found;
    }

    // Half precision where it was asked for; where nothing was, on devices that gain by it if this network keeps the
    // gate there. Otherwise single precision, which is compared with the processor's. Matrices, and sums in half
    // precision, are taken only where the network keeps the gate with them.
    Result<std::unique_ptr<VulkanProgram>> choose(const Devices& devices, const Graph& graph,
                                                  const CompileOptions& options) const {
        const Facts& facts = devices.front()->facts();
        const std::string why = no_half(graph, facts);
        const bool asked = options.precision == Precision::fp16;
        if (asked && !why.empty()) return Error{Errc::unsupported, "Vulkan: precision fp16: " + why};
        const bool tried = options.precision == Precision::automatic && options_.self_check && !facts.software();
        for (const Numbers numbers : {Numbers::matrix, Numbers::fp16, Numbers::stored_fp16}) {
            if (!asked && !(tried && why.empty())) break;
            if (numbers == Numbers::matrix && !has_matrix_products(graph, facts)) continue;
            if (numbers == Numbers::fp16 && !has_half_sums(graph, facts)) continue;
            TRY(auto half, make_program(devices, graph, options.pool, numbers));
            if (!options_.self_check) return half;
            TRY(const Verdict verdict, verdict_of(graph, *half, facts, options, false));
            half->measured(verdict.psnr);
            if (verdict.good(Precision::fp16)) return half;
            if (!asked || numbers != Numbers::stored_fp16) continue;
            if (!verdict.finite) {  // too large for fp16, which tiles are computed again for; or the device is wrong
                TRY(const auto whole, make_program(devices, graph, options.pool, Numbers::fp32));
                TRY(check(graph, *whole, facts, options));
                return half;
            }
            if (verdict.psnr >= kLeastAskedDb) return half;
            return Error{Errc::device, facts.name + " (" + facts.driver + ") does not compute this network right in " +
                                           "fp16: a picture is " + text_of(verdict.psnr, 3) +
                                           " dB from the processor's, at least " + text_of(kLeastAskedDb, 3) +
                                           " are expected; it is not used"};
        }
        TRY(auto program, make_program(devices, graph, options.pool, Numbers::fp32));
        if (options_.self_check) TRY(check(graph, *program, facts, options));
        return program;
    }

    // Devices do not come and go while a program runs; reading all drivers takes a while.
    Result<std::vector<Facts>> list() const {
        const std::lock_guard lock(mutex_);
        if (listed_.empty()) {
            if (!instance_) {
                TRY(instance_, Instance::open(options_.library, options_.interposer));
            }
            TRY(listed_, list_devices(*instance_));
        }
        return listed_;
    }

    Result<std::shared_ptr<Device>> open(const Facts& facts, int index, const std::string& cache_folder) const {
        const std::lock_guard lock(mutex_);
        std::shared_ptr<Device>& kept = opened_[index];
        if (!kept || kept->lost()) {
            kept.reset();
            TRY(kept, Device::open(instance_, facts, cache_folder));
        }
        return kept;
    }

    static DeviceInfo describe(const Facts& facts, int index) {
        DeviceInfo info;
        info.id = "vulkan:" + std::to_string(index);
        info.name = facts.name;
        info.kind = DeviceKind::gpu;
        info.fallback_to = "cpu";
        info.memory_bytes = static_cast<std::int64_t>(facts.memory_bytes());
        if (!facts.refusal.empty()) {
            info.detail = facts.refusal;
            return info;
        }
        info.usable = true;
        info.precisions = {Precision::fp32};
        if (facts.half_storage) info.precisions.push_back(Precision::fp16);
        info.detail = "Vulkan " + facts.version_text() + ", " + facts.driver + "; rung " + rung_name(facts.rung()) +
                      (facts.half_storage ? "; fp32, fp16 with fp32 sums" : "; fp32") +
                      (facts.half_storage && facts.half_arithmetic ? " or, where a network keeps its gate, fp16 ones"
                                                                   : "");
        if (facts.matrix.rows) info.detail += " or matrices";
        if (facts.software()) info.detail += "; software, never taken by auto";
        return info;
    }

    // What is known of a network on a device, measured where it is not.
    Result<Verdict> verdict_of(const Graph& graph, const VulkanProgram& program, const Facts& facts,
                               const CompileOptions& options, bool timed) const {
        const std::string name = verdict_name(graph, facts, program.numbers());
        const std::lock_guard lock(verdicts_mutex_);
        auto it = verdicts_.find(name);
        if (it == verdicts_.end())
            if (const auto kept = load_verdict(options.cache_folder, name)) it = verdicts_.emplace(name, *kept).first;
        if (it == verdicts_.end() || (timed && it->second.device_ms == 0)) {
            TRY(const Verdict verdict, judge(graph, program, options.pool, timed));
            it = verdicts_.insert_or_assign(name, verdict).first;
            store_verdict(options.cache_folder, name, verdict);
        }
        return it->second;
    }

    // Fails when the device computes this network wrongly.
    Result<void> check(const Graph& graph, const VulkanProgram& program, const Facts& facts,
                       const CompileOptions& options) const {
        TRY(const Verdict verdict, verdict_of(graph, program, facts, options, false));
        if (verdict.good(Precision::fp32)) return {};
        return Error{Errc::device,
                     facts.name + " (" + facts.driver + ") does not compute this network right: a picture " +
                         (verdict.finite ? "differs by " + text_of(verdict.difference, 2) + " from the processor's"
                                         : std::string("has pixels that are no numbers")) +
                         "; it is not used"};
    }

    BackendOptions options_;
    mutable std::mutex mutex_, verdicts_mutex_;
    mutable std::shared_ptr<Instance> instance_;
    mutable std::vector<Facts> listed_;
    mutable std::map<int, std::shared_ptr<Device>> opened_;
    mutable std::map<std::string, Verdict> verdicts_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(const BackendOptions& options) {
    return std::make_unique<VulkanBackend>(options);
}

}  // namespace vulkan

namespace {

const vulkan::VulkanBackend& the_backend() {
    // Never destroyed: when static objects are, drivers may have shut down already.
    static const vulkan::VulkanBackend& backend = *new vulkan::VulkanBackend({});
    return backend;
}

bool hardware_in_dev() {
    std::error_code error;
    for (const char* node : {"/dev/nvidiactl", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"})
        if (std::filesystem::exists(node, error)) return true;
    for (std::filesystem::directory_iterator it("/dev/dri", error), end; !error && it != end; it.increment(error))
        if (it->path().filename().string().rfind("renderD", 0) == 0) return true;
    return false;
}

}  // namespace

const Backend& vulkan_backend() { return the_backend(); }
bool vulkan_has_hardware() { return hardware_in_dev() && the_backend().has_hardware(); }
Result<void> vulkan_worth_choosing(const Graph& graph, const Program& program, const CompileOptions& options) {
    return the_backend().worth_choosing(graph, program, options);
}
std::string vulkan_report() { return the_backend().report(); }

}  // namespace enlarge
