// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/importer.hpp"
#include "weights/bytes.hpp"

namespace enlarge {
namespace {

struct Family {
    std::string_view names;  // all that Network::family can be, apart by '|'
    bool (*matches)(const StateDict&);
    Result<Network> (*build)(const StateDict&, int likely_scale);
};

template <auto build>
Result<Network> whatever_scale(const StateDict& weights, int) {
    return build(weights);
}

#define FAMILY(names, name) {names, is_##name, whatever_scale<build_##name>}

// The more special of two with common keys stands first.
constexpr Family kFamilies[] = {
    FAMILY("SPSR", spsr),
    FAMILY("Compact", compact),
    {"RRDB", is_rrdb, build_rrdb},
    FAMILY("SPANF3", spanf3),
    FAMILY("SPANF", spanf),
    FAMILY("SPANV2", spanv2),
    FAMILY("SPAN", span),
    FAMILY("SPANPlus", spanplus),
    FAMILY("RealPLKSR|PLKSR", plksr),
    FAMILY("MoSR", mosr),
    FAMILY("RTMoSR", rtmosr),
    FAMILY("RCAN", rcan),
    FAMILY("EDSR", edsr),
    FAMILY("MSRResNet", srresnet),
    FAMILY("ArtCNN", artcnn),
    FAMILY("Swift-SRGAN", swiftsrgan),
    FAMILY("HAT", hat),
    FAMILY("SwinIR", swinir),
    FAMILY("DRCT", drct),
    FAMILY("DAT", dat),
    FAMILY("FDAT", fdat),
    FAMILY("ESC", esc),
    FAMILY("MoESR", moesr),
    FAMILY("OmniSR", omnisr),
    FAMILY("SRFormer", srformer),
    FAMILY("RGT", rgt),
    FAMILY("CRAFT", craft),
    FAMILY("DITN", ditn),
    FAMILY("ATD", atd),
    FAMILY("GRL", grl),
    FAMILY("Real-CUGAN|waifu2x", cunet),
    FAMILY("waifu2x", upconv7),
};

#undef FAMILY

// Calls body(name) for each name.
template <class Body>
void for_names(Body body) {
    for (const Family& family : kFamilies)
        for (std::string_view rest = family.names; !rest.empty();) {
            const std::size_t end = std::min(rest.find('|'), rest.size());
            body(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
}

// "Compact, RRDB, ..."
std::string family_list() {
    std::string list;
    std::set<std::string_view> said;
    for_names([&](std::string_view name) {
        if (!said.insert(name).second) return;
        list += (list.empty() ? "" : ", ") + std::string(name);
    });
    return list;
}

// A weight that is missing or has another number of results than its bias, whatever the family. Where a network is not
// built, that is why: all else that does not fit follows from it.
std::optional<Error> odd_bias(const StateDict& weights) {
    constexpr std::string_view kBias = ".bias";
    for (const auto& [name, bias] : weights.tensors) {
        // "attn.bias" is a table of its own.
        if (!name.ends_with(kBias) || name.ends_with("attn.bias") || bias.shape.size() != 1) continue;
        const std::string weight = name.substr(0, name.size() - kBias.size()) + ".weight";
        const auto found = weights.tensors.find(weight);
        if (found == weights.tensors.end())
            return Error{Errc::format,
                         "tensor '" + printable(weight) + "' is missing, though '" + printable(name) + "' is there"};
        const std::vector<std::int64_t>& shape = found->second.shape;
        const bool transposed = shape.size() == 4 && shape[1] == bias.shape[0];
        if (shape.empty() || (shape[0] != bias.shape[0] && !transposed))
            return Error{Errc::format, "tensor '" + printable(weight) + "' is " + shape_text(shape) + "; expected " +
                                           std::to_string(bias.shape[0]) + " first, as '" + printable(name) +
                                           "' holds"};
    }
    return {};
}

// How much speaks for a tensor to be missing: the file has others of its own module, 3; of modules within that, 2; of
// the module around it, where that lies deep, 1.
int likely_missing(const StateDict& weights, const std::string& name) {
    const auto begins = [&](const std::string& module, bool leaf) {
        for (auto at = weights.tensors.lower_bound(module); at != weights.tensors.end(); ++at) {
            if (!at->first.starts_with(module)) return false;
            if (!leaf || at->first.find('.', module.size()) == std::string::npos) return true;
        }
        return false;
    };
    const std::string module = name.substr(0, name.rfind('.') + 1);
    if (module.empty()) return 0;
    if (begins(module, true)) return 3;
    if (begins(module, false)) return 2;
    const std::string around = module.substr(0, module.rfind('.', module.size() - 2) + 1);
    return std::count(around.begin(), around.end(), '.') >= 4 && begins(around, false) ? 1 : 0;
}

// Of a family but for one of the tensors by which it is recognised.
std::optional<Error> nearly(const StateDict& weights) {
    StateDict shapes;
    for (const auto& [name, tensor] : weights.tensors) shapes.tensors[name].shape = tensor.shape;
    std::string best, missing;
    int most = -1;
    for (const Family& family : kFamilies) {
        std::set<std::string> lacking;
        {
            NotFound asked;
            if (family.matches(shapes)) continue;
            lacking = std::exchange(asked.names, {});
        }
        for (const std::string& name : lacking) {
            const int likely = likely_missing(shapes, name);
            if (likely <= most) continue;
            shapes.tensors[name].shape = {4, 4, 4, 4};
            const NotFound asked;
            const bool found = family.matches(shapes);
            shapes.tensors.erase(name);
            // Where nothing else speaks for it, the file has another of the family's names, one that few have:
            // "model.0.weight" is any list of layers.
            const bool other = std::any_of(asked.had.begin(), asked.had.end(), [&](const std::string& had) {
                const auto dots = std::count(had.begin(), had.end(), '.');
                return had != name && dots >= 2 && (dots > 2 || !had.starts_with("model."));
            });
            if (!found || (likely == 0 && !other)) continue;
            most = likely;
            best = family.names.substr(0, family.names.find('|'));
            missing = name;
        }
    }
    if (best.empty()) return {};
    return Error{Errc::format, "this seems to be " + best + ", but tensor '" + printable(missing) + "' is missing"};
}

Result<Network> recognise_tensors(const StateDict& weights, int likely_scale) {
    for (const Family& family : kFamilies)
        if (family.matches(weights)) {
            auto network = family.build(weights, likely_scale);
            if (network.ok()) return network;
            if (auto odd = odd_bias(weights)) return *std::move(odd);
            return network;
        }
    if (weights.tensors.empty()) return Error{Errc::format, "the file holds no tensors"};
    const std::string name = refused_family(weights);
    if (name.empty() || runs_family(name))
        if (auto near = nearly(weights)) return *std::move(near);
    if (!name.empty())
        return Error{Errc::unsupported,
                     "this seems to be " + name + "; supported are " + family_list()};
    const auto& [key, tensor] = *weights.tensors.begin();
    return Error{Errc::unsupported, "no network that is known: " + std::to_string(weights.tensors.size()) +
                                        " tensors, the first is '" + printable(key) + "' (" + shape_text(tensor.shape) +
                                        "); supported are " + family_list()};
}

// The family that a file's layers are of, checked against the layers. Fails where they are of none.
Result<Network> recognise_layers(const ImportedGraph& imported) {
    const Graph& graph = imported.before_resize ? *imported.before_resize : imported.graph;
    TRY(const StateDict named, name_tensors(graph));
    TRY(Network network, recognise_tensors(named, graph.scale()));
    if (!same_network(network.graph, graph))
        return Error{Errc::unsupported, "the graph has the convolutions of a " + network.family +
                                            " network, but connects them in another way"};
    if (imported.before_resize) {
        const double scale = network.scale * imported.resize;
        if (scale < 1 || scale != std::floor(scale))
            return Error{Errc::unsupported, "a network for scale " + std::to_string(scale)};
        network.variant += ", computed at x" + std::to_string(network.scale) + " and resized";
        network.scale = static_cast<int>(scale);
    }
    return network;
}

// Of another family, or none: the layers as they are.
Result<Network> as_it_is(Graph graph, WeightFormat format) {
    if (graph.output().channels != graph.input_channels())
        return Error{Errc::unsupported, "a network from " + std::to_string(graph.input_channels()) + " to " +
                                            std::to_string(graph.output().channels) + " channels"};
    Network network;
    network.family = format == WeightFormat::ncnn ? "ncnn graph" : "ONNX graph";
    network.scale = graph.scale();
    std::map<std::string_view, int> counts;
    for (const Node& node : graph.nodes())
        if (!node.is<op::Input>() && !node.is<op::Constant>()) ++counts[node.name()];
    std::vector<std::pair<int, std::string_view>> most;
    for (const auto& [name, count] : counts) most.emplace_back(-count, name);
    std::sort(most.begin(), most.end());
    constexpr std::size_t kTold = 5;
    for (std::size_t i = 0; i < most.size() && i < kTold; ++i)
        network.variant += (i ? ", " : "") + std::to_string(-most[i].first) + " " + std::string(most[i].second);
    if (most.size() > kTold) network.variant += " ...";
    if (const auto own = graph.own_size())
        network.variant += ", for " + std::to_string(own->width) + "x" + std::to_string(own->height) + " alone";
    network.facts.emplace_back("operations", static_cast<int>(graph.nodes().size()) - graph.inputs());
    network.graph = std::move(graph);
    return network;
}

}  // namespace

bool runs_family(std::string_view name) {
    bool found = false;
    for_names([&](std::string_view one) { found = found || one == name; });
    return found;
}

Result<ImportedGraph> import_layers(const StateDict& file) {
    const auto import = file.format == WeightFormat::ncnn ? import_ncnn : import_onnx;
    // Channels as the file declares them; else whatever fits, RGB first.
    const bool told = file.inputs.size() == 1 && file.inputs[0].shape.size() == 4 && file.inputs[0].shape[1] > 0;
    if (told) {
        const std::int64_t channels = file.inputs[0].shape[1];
        if (channels != 1 && channels != 3 && channels != 4)
            return Error{Errc::unsupported, "a network for pictures of " + std::to_string(channels) +
                                                " channels; only grey (1), RGB (3) and RGBA (4) are supported"};
        return import(file, static_cast<int>(channels));
    }
    auto rgb = import(file, 3);
    if (rgb.ok()) return rgb;
    for (const int channels : {1, 4})
        if (auto other = import(file, channels); other.ok()) return other;
    return rgb;
}

Result<StateDict> named_tensors(const StateDict& file) {
    if (file.layers.empty()) return file;
    TRY(const ImportedGraph imported, import_layers(file));
    StateDict named;
    if (recognise_layers(imported).ok()) {
        TRY(named, name_tensors(imported.before_resize ? *imported.before_resize : imported.graph));
    }
    named.format = file.format;
    named.metadata = file.metadata;
    return named;
}

int scale_in_name(std::string_view file_name) {
    const auto letter = [&](std::size_t i) { return i < file_name.size() && std::isalnum(static_cast<unsigned char>(file_name[i])); };
    const auto digit = [&](std::size_t i) { return i < file_name.size() && std::isdigit(static_cast<unsigned char>(file_name[i])); };
    int scale = 0;
    for (std::size_t i = 0; i < file_name.size(); ++i) {
        if (file_name[i] != 'x' && file_name[i] != 'X') continue;
        int found = 0;
        if (i > 0 && digit(i - 1) && (i < 2 || !letter(i - 2)) && !letter(i + 1)) found = file_name[i - 1] - '0';       // 3x
        else if (digit(i + 1) && !digit(i + 2) && (i == 0 || !letter(i - 1))) found = file_name[i + 1] - '0';  // x3
        if (found == 0 || found == scale) continue;
        if (scale != 0) return 0;
        scale = found;
    }
    return scale;
}

Result<Network> recognise(const StateDict& weights, int likely_scale) {
    if (weights.layers.empty()) return recognise_tensors(weights, likely_scale);
    TRY(ImportedGraph imported, import_layers(weights));
    auto family = recognise_layers(imported);
    if (family.ok()) return family;
    return as_it_is(std::move(imported.graph), weights.format);
}

}  // namespace enlarge
