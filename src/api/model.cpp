// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "api/builtin_models.hpp"
#include "api/model_state.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "enlarge/models.hpp"
#include "run/network_stage.hpp"
#include "zoo/files.hpp"
#include "zoo/registry.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

// Larger networks are not kept twice, as tensors and as a graph: blend() names the graph's tensors.
constexpr std::int64_t kKeptParameters = 4'000'000;

Result<Model::State> make_state(const StateDict& weights, std::string name, std::string path, std::string licence, int likely_scale) {
    Model::State state;
    TRY(state.network, recognise(weights, likely_scale));
    const Network& network = state.network;
    for (const char* key : {"licence", "license"})
        if (const auto found = weights.metadata.find(key); licence.empty() && found != weights.metadata.end())
            licence = found->second;
    ModelInfo& info = state.info;
    info.name = std::move(name);
    info.path = std::move(path);
    info.family = network.family;
    info.variant = network.variant;
    info.scale = network.scale;
    info.channels = network.graph.input_channels();
    info.parameters = network.graph.parameters();
    info.macs_per_pixel = network.graph.macs_per_pixel();
    info.size_multiple = network.graph.size_multiple();
    info.receptive_radius = network.graph.receptive_radius().value_or(-1);
    info.tiles_exact = tiles_are_exact(network.graph);
    info.licence = std::move(licence);
    info.facts = facts_of(info, network);
    if (info.parameters <= kKeptParameters) {
        TRY(state.weights, named_tensors(weights));
    }
    return state;
}

// The licence of a public model's file, told by its name, size and SHA-256; empty when it is none.
std::string licence_of(const std::string& file) {
    const auto registry = zoo::load_registry();
    if (!registry.ok()) return {};
    for (const PublicModel& model : registry->models)
        if (zoo::is_named_as(model, file) && zoo::is_file_of(model, file))
            return model.licence == "unknown" ? "" : model.licence;
    return {};
}

std::string builtin_names() {
    std::string names;
    for (const BuiltinModel& model : builtin_model_files()) {
        if (!names.empty()) names += ", ";
        names += model.name;
    }
    return names.empty() ? "none" : names;
}

// Whether this can be a file: a bare word is a name, whatever lies in the working folder.
bool may_be_path(const std::string& name) {
    return name.find('/') != std::string::npos || !fs::path(name).extension().empty();
}

// Whether somebody who wrote this meant a file rather than a model's name ("soft-v1.5" has an ending, too).
bool looks_like_a_path(const std::string& name) {
    const std::string extension = zoo::folded(fs::path(name).extension().string());
    return name.find('/') != std::string::npos || extension == ".pth" || extension == ".pt" || extension == ".ckpt" ||
           extension == ".safetensors" || extension == ".onnx" || extension == ".param" || extension == ".bin";
}

}  // namespace

Result<Model> Model::open(const std::string& name, const Limits& limits) {
    std::error_code ignored;
    std::string path;
    const bool here = fs::exists(name, ignored);
    const bool is_file = here && may_be_path(name) && !fs::is_directory(name, ignored);
    if (is_file) {
        path = name;
    } else {
        for (const BuiltinModel& model : builtin_model_files())
            if (zoo::folded(model.name) == zoo::folded(name))
                return read(model.file, std::string(model.name));  // whatever the limits
        auto stored = zoo::find(name);
        if (!stored.ok()) {
            if (stored.error().code != Errc::not_found) return std::move(stored).error();
            if (fs::is_directory(name, ignored)) {  // refused with what it seems to hold
                TRY(read_weights(name, limits));
            }
            if (looks_like_a_path(name)) return Error{Errc::not_found, name + ": no such model file"};
            const std::string file = here ? "; a file is given as ./" + name : "";
            return Error{Errc::not_found, stored.error().message + " (built in: " + builtin_names() + ")" + file};
        }
        path = stored->path;
        if (!stored->not_public.empty())
            log(LogLevel::notice, {"not-the-public-model", path + " is used, which is not the public model " +
                                                               stored->not_public + " but another file"});
    }
    TRY(const StateDict weights, read_weights(path, limits));
    auto state = make_state(weights, is_file ? fs::path(path).filename().string() : name, path, licence_of(path),
                            scale_in_name(fs::path(path).filename().string()));
    if (!state.ok()) return std::move(state.error()).within(path);
    return Model(std::make_shared<const State>(std::move(state).value()));
}

Result<Model> Model::read(std::span<const std::byte> bytes, const std::string& name, const Limits& limits) {
    auto weights = read_weights(bytes, limits);
    if (!weights.ok()) return std::move(weights.error()).within(name);
    auto state = make_state(*weights, name, {}, {}, scale_in_name(fs::path(name).filename().string()));
    if (!state.ok()) return std::move(state.error()).within(name);
    return Model(std::make_shared<const State>(std::move(state).value()));
}

Result<Model> Model::blend(const Model& other, float share) const {
    const std::string& first = state_->info.name;
    const std::string& second = other.state_->info.name;
    const bool kept = !state_->weights.tensors.empty() && !other.state_->weights.tensors.empty();
    auto mixed = kept ? enlarge::blend(state_->weights, other.state_->weights, share)
                      : Result<StateDict>(Error{Errc::unsupported, "the networks are of different families"});
    if (!mixed.ok() && state_->info.family == other.state_->info.family) {
        // The same layers under other names: BSRGAN's and Real-ESRGAN's keys, a full and a slim SPAN.
        const auto mine = name_tensors(state_->network.graph), theirs = name_tensors(other.state_->network.graph);
        if (mine.ok() && theirs.ok()) mixed = enlarge::blend(*mine, *theirs, share);
    }
    if (!mixed.ok()) return std::move(mixed.error()).within("blending " + first + " and " + second);
    const std::string percent = shortest(std::round(1000.0 * share) / 10) + "%";
    std::string licence = state_->info.licence;
    if (const std::string& theirs = other.state_->info.licence; theirs != licence)
        licence = licence.empty() || theirs.empty() ? "" : licence + " AND " + theirs;
    TRY(State state, make_state(*mixed, first + " + " + percent + " " + second, {}, licence, state_->info.scale));
    return Model(std::make_shared<const State>(std::move(state)));
}

const ModelInfo& Model::info() const { return state_->info; }

std::string default_model(Use use, double factor) {
    const std::string kind = use == Use::video ? "swift" : "fine";
    return kind + (factor > 0 && factor <= 2 ? "-x2" : "-x4");
}

std::vector<std::string> builtin_models() {
    std::vector<std::string> names;
    for (const BuiltinModel& model : builtin_model_files()) names.emplace_back(model.name);
    return names;
}

}  // namespace enlarge
