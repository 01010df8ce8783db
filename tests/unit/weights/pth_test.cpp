// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>


#include "unit/weights/builders.hpp"

namespace enlarge {
namespace {

using namespace test;

using Shape = std::vector<std::int64_t>;

// The tensors of views() and types() in tools/make_weight_fixtures.py.
void expect_views(const StateDict& weights) {
    const auto base = numbers(24);
    const auto at = [&](const char* name) { return weights.tensors.at(name); };
    EXPECT_EQ(at("whole").values, base);
    EXPECT_EQ(at("middle").values, numbers(12, 6));
    EXPECT_EQ(at("transposed").shape, (Shape{6, 4}));
    for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(at("transposed").values[i], base[i % 4 * 6 + i / 4]);
    for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(at("every_second").values[i], base[2 * i]);
    EXPECT_EQ(at("part").shape, (Shape{2, 2, 2}));
    EXPECT_EQ(at("part").values, (std::vector<float>{base[5], base[6], base[9], base[10], base[17], base[18], base[21], base[22]}));
    EXPECT_EQ(at("scalar").shape, Shape{});
    EXPECT_EQ(at("scalar").values, std::vector<float>{base[5]});
    EXPECT_EQ(at("empty").shape, Shape{0});
    EXPECT_TRUE(at("empty").values.empty());
    EXPECT_EQ(weights.tensors.size(), 7U);
}

void expect_types(const StateDict& weights) {
    for (const char* name : {"double", "float", "half", "bfloat16"}) EXPECT_EQ(weights.tensors.at(name).values, numbers(6)) << name;
    for (const char* name : {"long", "int", "short", "char"})
        EXPECT_EQ(weights.tensors.at(name).values, (std::vector<float>{-3, -2, -1, 0, 1, 2})) << name;
    EXPECT_EQ(weights.tensors.at("byte").values, (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(weights.tensors.at("bool").values, (std::vector<float>{0, 0, 0, 0, 1, 1}));
    for (const auto& [name, tensor] : weights.tensors) EXPECT_EQ(tensor.shape, (Shape{2, 3})) << name;
}

void expect_compact(const StateDict& weights) {
    EXPECT_EQ(weights.tensors.size(), 8U);
    EXPECT_EQ(weights.tensors.at("body.0.weight").shape, (Shape{4, 3, 3, 3}));
    EXPECT_EQ(weights.tensors.at("body.0.weight").values, numbers(108));
    EXPECT_EQ(weights.tensors.at("body.4.weight").values, numbers(432, 6));
    EXPECT_EQ(weights.tensors.at("body.4.bias").values, numbers(12, 7));
}

void expect_checkpoint(const StateDict& weights) {
    ASSERT_EQ(weights.tensors.size(), 2U);
    EXPECT_EQ(weights.tensors.at("a").values, numbers(4, 10));
    EXPECT_EQ(weights.tensors.at("b").values, numbers(3, 10));
}

#define READ(weights, name)                                \
    const auto result_##weights = read(fixture(name));     \
    ASSERT_TRUE(result_##weights.ok()) << (name) << ": " << result_##weights.error().message; \
    const StateDict& weights = *result_##weights

TEST(pth, reads_what_torch_saves_in_both_containers) {
    READ(zip, "zip.pth");
    EXPECT_EQ(zip.format, WeightFormat::pth_zip);
    expect_compact(zip);
    READ(legacy, "legacy.pth");
    EXPECT_EQ(legacy.format, WeightFormat::pth_legacy);
    expect_compact(legacy);
    READ(deflated, "deflated.pth");
    expect_compact(deflated);
}

TEST(pth, follows_shared_storages_offsets_and_strides) {
    READ(zip, "views_zip.pth");
    expect_views(zip);
    READ(legacy, "views_legacy.pth");
    expect_views(legacy);
}

TEST(pth, converts_every_element_type_to_float) {
    READ(zip, "types_zip.pth");
    expect_types(zip);
    READ(legacy, "types_legacy.pth");
    expect_types(legacy);
}

TEST(pth, finds_the_averaged_weights_in_a_training_checkpoint) {
    READ(zip, "checkpoint.pth");
    expect_checkpoint(zip);
    READ(legacy, "checkpoint_legacy.pth");
    expect_checkpoint(legacy);
}

TEST(pth, reads_parameters_as_tensors) {
    READ(weights, "parameters.pth");
    EXPECT_EQ(weights.tensors.at("weight").values, numbers(18));
    EXPECT_EQ(weights.tensors.at("bias").values, numbers(2));
}

TEST(pth, reads_every_pickle_protocol_that_torch_writes) {
    for (const char* name : {"protocol1_zip.pth", "protocol2_zip.pth", "protocol3_zip.pth", "protocol4_zip.pth", "protocol5_zip.pth",
                             "protocol1_legacy.pth", "protocol3_legacy.pth", "protocol4_legacy.pth", "protocol5_legacy.pth"}) {
        READ(weights, name);
        ASSERT_EQ(weights.tensors.count("a"), 1U) << name;
        EXPECT_EQ(weights.tensors.at("a").values, numbers(6)) << name;
    }
}

TEST(pth, reads_big_endian_storages) {
    std::string swapped;
    for (const float v : numbers(6)) {
        std::string bytes = le(v);
        swapped += std::string(bytes.rbegin(), bytes.rend());
    }
    const auto zip = read(torch_zip(small_pickle(), swapped, {{"net/byteorder", "big"}}));
    ASSERT_TRUE(zip.ok()) << zip.error().message;
    EXPECT_EQ(zip->tensors.at("a").values, numbers(6));
    const auto legacy = read(torch_legacy(small_pickle(), p_file("](" + p_text("0") + "e"), le<std::int64_t>(6) + swapped,
                                          legacy_system(false)));
    ASSERT_TRUE(legacy.ok()) << legacy.error().message;
    EXPECT_EQ(legacy->tensors.at("a").values, numbers(6));
}

TEST(pth, accepts_any_name_of_the_folder_inside_the_zip) {
    for (const std::string front : {"", "archive/", "net_g_550000/", "a/b/"}) {
        const auto weights = read(make_zip({{front + "data.pkl", small_pickle()}, {front + "data/0", raw(numbers(6))}}));
        ASSERT_TRUE(weights.ok()) << front << ": " << weights.error().message;
        EXPECT_EQ(weights->tensors.at("a").values, numbers(6));
    }
}

TEST(pth, unwraps_every_usual_key_and_prefers_the_average) {
    const std::string good = p_dict({{"w", p_tensor(p_storage("0", 6), 1, {2}, {1})}});
    const std::string other = p_dict({{"w", p_tensor(p_storage("0", 6), 3, {2}, {1})}});
    const auto expect = [&](const std::string& pickle, const char* what) {
        const auto weights = read(torch_zip(p_file(pickle)));
        ASSERT_TRUE(weights.ok()) << what << ": " << weights.error().message;
        ASSERT_EQ(weights->tensors.count("w"), 1U) << what;
        EXPECT_EQ(weights->tensors.at("w").values, numbers(2, 1)) << what;
    };
    for (const char* key : {"params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net", "netG", "unheard_of"})
        expect(p_dict({{key, good}}), key);
    expect(p_dict({{"params", other}, {"params_ema", good}}), "params_ema after params");
    expect(p_dict({{"params_ema", good}, {"params", other}}), "params_ema before params");
    expect(p_dict({{"params_ema", "}"}, {"params", good}}), "an empty params_ema");
    expect(p_dict({{"epoch", p_int(7)}, {"model", p_dict({{"state_dict", good}})}}), "two wrappers");
    expect(p_dict({{"loss", p_tensor(p_storage("0", 6), 0, {}, {})}, {"state_dict", good}}), "a tensor beside the wrapper");
}

TEST(pth, removes_only_prefixes_that_all_names_share) {
    const std::string tensor = p_tensor(p_storage("0", 6), 0, {2}, {1});
    const auto names = [&](std::initializer_list<const char*> keys) {
        std::vector<std::pair<std::string, std::string>> entries;
        for (const char* key : keys) entries.emplace_back(key, tensor);
        const auto weights = read(torch_zip(p_file(p_dict(entries))));
        std::vector<std::string> found;
        if (weights.ok())
            for (const auto& [name, unused] : weights->tensors) found.push_back(name);
        return found;
    };
    EXPECT_EQ(names({"module.a", "module.b"}), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(names({"netG.module.a", "netG.module.b"}), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(names({"module._orig_mod.a", "module._orig_mod.b"}), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(names({"module.a", "b"}), (std::vector<std::string>{"b", "module.a"}));
    EXPECT_EQ(names({"model.0.weight", "model.1.sub.0.bias"}), (std::vector<std::string>{"model.0.weight", "model.1.sub.0.bias"}));
    EXPECT_EQ(names({"generator.a", "discriminator.a", "step"}), std::vector<std::string>{"a"});
    EXPECT_EQ(names({"generator.a", "generator_ema.b", "discriminator.a"}), std::vector<std::string>{"b"});
}

std::string small_tensor() { return p_tensor(p_storage("0", 6), 0, {2, 3}, {3, 1}); }
// An instance of class "module.Name" with these attributes.
std::string module(const std::string& name, const std::vector<std::pair<std::string, std::string>>& attributes) {
    const std::size_t dot = name.rfind('.');
    return p_global(name.substr(0, dot), name.substr(dot + 1)) + ")\x81" + p_dict(attributes) + "b";
}
// The same of torch.nn.Module, which keeps its parts in dicts.
std::string nn_module(const std::string& name, const std::vector<std::pair<std::string, std::string>>& parameters,
                      const std::vector<std::pair<std::string, std::string>>& modules,
                      const std::vector<std::pair<std::string, std::string>>& buffers = {}, const std::string& passing = "\x8f") {
    return module(name, {{"training", "\x89"}, {"_parameters", p_dict(parameters)}, {"_buffers", p_dict(buffers)},
                         {"_non_persistent_buffers_set", passing}, {"_modules", p_dict(modules)}});
}
// A module that is its own child.
std::string ring() {
    return "c__torch__\nNet\n)\x81q\x01" + p_dict({{"w", small_tensor()}, {"child", "h\x01"}}) + "b";
}
// Forty modules, each twice the child of the next: 2^40 paths.
std::string doubling() {
    std::string inner = module("__torch__.Net", {{"training", "\x89"}, {"n", p_int(1)}});
    std::string text;
    for (int i = 0; i < 40; ++i) {
        const std::string get = std::string("h") + static_cast<char>(i + 1);
        text += inner + "q" + static_cast<char>(i + 1) + "0";
        inner = module("__torch__.Net", {{"training", "\x89"}, {"a", get}, {"b", get}});
    }
    return text + module("__torch__.Net", {{"training", "\x89"}, {"w", small_tensor()}, {"c", std::string("h") + static_cast<char>(40)}});
}

std::vector<std::string> names_in(const std::string& pickle) {
    const auto weights = read(torch_zip(p_file(pickle)));
    if (!weights.ok()) return {weights.error().message};
    std::vector<std::string> found;
    for (const auto& [name, unused] : weights->tensors) found.push_back(name);
    return found;
}

using Names = std::vector<std::string>;

TEST(pth, reads_whole_modules_as_their_state_dict) {
    // Buffers that are not saved, None, and attributes that are no parameters are left out.
    const std::string conv = nn_module("torch.nn.modules.conv.Conv2d", {{"weight", small_tensor()}, {"bias", "N"}}, {});
    const std::string norm = nn_module("my.Norm", {}, {}, {{"mean", small_tensor()}, {"cache", small_tensor()}}, "\x8f(" + p_text("cache") + "\x90");
    const std::string net = nn_module("my.Net", {{"scale", small_tensor()}}, {{"0", conv}, {"norm", norm}, {"gone", "N"}});
    EXPECT_EQ(names_in(net), (Names{"0.weight", "norm.mean", "scale"}));
    EXPECT_EQ(names_in(nn_module("torch.nn.parallel.DataParallel", {}, {{"module", net}})), (Names{"0.weight", "norm.mean", "scale"}));
    EXPECT_EQ(names_in(p_dict({{"epoch", p_int(3)}, {"model", net}})), (Names{"0.weight", "norm.mean", "scale"}));
    EXPECT_EQ(names_in("(" + net + p_int(3) + "t"), (Names{"0.weight", "norm.mean", "scale"}));
    EXPECT_EQ(names_in(module("my.Trainer", {{"loss", p_int(1)}, {"whatever", net}})), (Names{"0.weight", "norm.mean", "scale"}));
}

TEST(pth, reads_modules_that_older_files_store_with_their_source) {
    const std::string source = "(" + p_text("module") + p_global("my", "Net") + p_text("net.py") + p_text("class Net") + "tQ";
    const std::string object = source + ")\x81" + p_dict({{"_backend", p_global("torch.nn.backends.thnn", "_get_thnn_function_backend") + ")R"},
                                                          {"_parameters", p_dict({{"a", small_tensor()}})}, {"_modules", "}"}}) + "b";
    const auto weights = read(torch_legacy(p_file(object)));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->tensors.at("a").values, numbers(6));
}

TEST(pth, reads_a_module_that_torch_saved_whole) {
    READ(weights, "whole_program.pth");  // Sequential(Conv2d(1, 1, 1))
    EXPECT_EQ(weights.tensors.at("0.weight").shape, (Shape{1, 1, 1, 1}));
    EXPECT_EQ(weights.tensors.at("0.bias").shape, Shape{1});
    EXPECT_EQ(weights.tensors.size(), 2U);
}

TEST(pth, reads_modules_that_keep_a_function_of_a_class) {
    const std::string function = p_global("builtins", "getattr") + "(" +
                                 p_global("torch._C", "_VariableFunctionsClass") + p_text("repeat_interleave") + "tR";
    const std::string partial = p_global("functools", "partial") + "(" + function + "tR(" + function + ")" +
                                p_dict({{"repeats", p_int(4)}}) + "Ntb";
    EXPECT_EQ(names_in(module("my.Net", {{"training", "\x89"}, {"repeat_op", partial},
                                         {"_parameters", p_dict({{"a", small_tensor()}})}, {"_modules", "}"}})),
              Names{"a"});
}

TEST(pth, reads_torchscript_programs_as_their_parameters) {
    const std::string conv = module("__torch__.torch.nn.modules.conv.___torch_mangle_0.Conv2d",
                                    {{"weight", small_tensor()}, {"bias", "N"}, {"training", "\x89"}, {"stride", p_int(1)},
                                     {"padding", p_global("torch.jit._pickle", "build_intlist") + "](" + p_int(1) + p_int(1) + "e\x85R"}});
    const std::string net = module("__torch__.Net", {{"training", "\x89"}, {"_is_full_backward_hook", "N"}, {"body", module("__torch__.L", {{"0", conv}, {"1", conv}})}});
    const auto weights = read(torch_zip(p_file(net), raw(numbers(6)), {{"net/constants.pkl", "\x80\x02)."}, {"net/code/__torch__.py", "os.system()"}}));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->tensors.size(), 2U);
    EXPECT_EQ(weights->tensors.at("body.0.weight").values, numbers(6));
    EXPECT_EQ(names_in(module("__torch__.Wrapper", {{"training", "\x89"}, {"model", net}})), (Names{"body.0.weight", "body.1.weight"}));
}

TEST(pth, tells_weights_from_what_training_leaves_beside_them) {
    const std::string t = small_tensor(), count = p_tensor(p_storage("1", 1, "LongStorage"), 0, {}, {});
    const auto file = [&](const std::vector<std::pair<std::string, std::string>>& entries) {
        const auto weights = read(torch_zip(p_file(p_dict(entries)), raw(numbers(6)), {{"net/data/1", std::string(8, '\1')}}));
        if (!weights.ok()) return Names{weights.error().message};
        Names found;
        for (const auto& [name, unused] : weights->tensors) found.push_back(name);
        return found;
    };
    const Names ab = {"a", "b"};
    EXPECT_EQ(file({{"n_averaged", count}, {"module.a", t}, {"module.b", t}}), ab);
    EXPECT_EQ(file({{"n_averaged", count}, {"a", t}, {"b", t}}), ab);
    EXPECT_EQ(file({{"a", t}, {"norm.num_batches_tracked", count}}), (Names{"a", "norm.num_batches_tracked"})) << "a layer's own";
    EXPECT_EQ(file({{"net_g.a", t}, {"net_g.b", t}, {"net_d.conv0", t}, {"cri_pix.w", t}}), ab);
    EXPECT_EQ(file({{"net_g.x", t}, {"net_g_ema.a", t}, {"net_g_ema.b", t}, {"net_d.conv0", t}}), ab);
    EXPECT_EQ(file({{"netG._orig_mod.a", t}, {"netG._orig_mod.b", t}, {"lpips.x", t}}), ab);
    EXPECT_EQ(file({{"initted", count}, {"step", count}, {"online_model.x", t}, {"ema_model.a", t}, {"ema_model.b", t}}), ab);
    EXPECT_EQ(file({{"model.net_g.a", t}, {"model.net_g.b", t}}), ab);
    EXPECT_EQ(file({{"student.a", t}, {"student.b", t}, {"teacher.c", t}}), ab);
    EXPECT_EQ(file({{"module.backbone.a", t}, {"module.backbone.b", t}}), ab);
    EXPECT_EQ(file({{"0.a.w", t}, {"0.b.0.w", t}}), (Names{"a.w", "b.0.w"}));
    EXPECT_EQ(file({{"0.a.w", t}, {"0.of_the_network", t}}), (Names{"a.w", "of_the_network"}));
    EXPECT_EQ(file({{"0.w", t}, {"0.b", t}}), (Names{"0.b", "0.w"})) << "a layer";
    EXPECT_EQ(file({{"0.0.w", t}, {"0.2.w", t}}), (Names{"0.0.w", "0.2.w"}));
    EXPECT_EQ(file({{"epoch", count}, {"whatever", p_dict({{"a", t}, {"b", t}})}}), ab) << "a counter is no state dict";
    EXPECT_EQ(file({{"ema", p_dict({{"decay", p_int(1)}, {"shadow_params", "](" + t + "e"}})}, {"state_dict", p_dict({{"a", t}, {"b", t}})}}), ab);
    EXPECT_EQ(file({{"discriminator", p_dict({{"x", t}})}, {"optimizer_g", p_dict({{"y", t}})}, {"mine", p_dict({{"a", t}, {"b", t}})}}), ab);
    EXPECT_EQ(file({{"optimizer_g", p_dict({{"y", t}})}}),
              Names{"the state of a training (optimizers, schedulers) without weights; the keys are: optimizer_g"});
    EXPECT_EQ(file({{"epoch", p_int(3)}, {"optimizers", "](" + p_dict({{"state", "}"}}) + "e"}, {"schedulers", "]"}}),
              Names{"the state of a training (optimizers, schedulers) without weights; the keys are: epoch, "
                    "optimizers, schedulers"});
    EXPECT_EQ(file({{"params.x", t}, {"params.y", t}, {"params_ema.a", t}, {"params_ema.b", t}}), ab);
    const std::string callbacks = "}(" + p_global("pytorch_lightning.callbacks", "ModelCheckpoint") + p_dict({{"best_model_score", count}}) + "u";
    EXPECT_EQ(file({{"callbacks", callbacks}, {"hyper_parameters", module("omegaconf.DictConfig", {{"x", p_int(1)}})}, {"state_dict", p_dict({{"net_g.a", t}, {"net_g.b", t}})}}), ab);
}

TEST(pth, reads_what_torch_makes_of_whole_modules_and_programs) {
    for (const char* name : {"module.pth", "scripted.pt", "traced.pt", "lightning.pth", "clutter.pth"}) {
        READ(weights, name);
        SCOPED_TRACE(name);
        expect_compact(weights);
    }
    READ(legacy, "module_legacy.pth");
    EXPECT_EQ(legacy.tensors.size(), 1U);
    EXPECT_EQ(legacy.tensors.at("weight").values, numbers(4));
    expect_error(read(fixture("frozen.pt")), Errc::unsupported, "it was frozen");
}

TEST(pth, a_part_of_a_model_in_several_files_is_named_as_one) {
    const ScratchFolder folder;
    expect_error(read_weights(folder.write("model-00002-of-00003.safetensors", "x")), Errc::unsupported, "part 2 of 3 of a model");
    expect_error(read(R"({"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}})"), Errc::unsupported, "the index of a model that is kept in several files");
}

TEST(pth, a_dict_repeated_by_the_memo_is_searched_once) {
    // 30000 references to 30000 references to a dict of 30000 entries: 3e13 steps, hours, if each were searched. So there
    // is no time to assert: this ends at once or not before ctest's patience does.
    std::string inner = "}q\x01(", middle = "}q\x02(", outer = "}(";
    for (int i = 0; i < 30000; ++i) {
        inner += "K\x01K\x02";
        middle += p_int(i) + "h\x01";
        outer += p_int(i) + "h\x02";
    }
    expect_error(read(torch_zip(p_file(inner + "u0" + middle + "u0" + outer + "u"))), Errc::format, "no tensors found");
}

TEST(pth, stops_at_the_limits_it_is_given) {
    Limits limits;
    limits.tensors = 7;
    expect_error(read(fixture("zip.pth"), limits), Errc::limit, "more than");
    limits = {};
    limits.tensor_elements = 431;
    expect_error(read(fixture("zip.pth"), limits), Errc::limit, "has 432 elements; at most 431");
    limits = {};
    limits.total_elements = 711;
    expect_error(read(fixture("zip.pth"), limits), Errc::limit, "more than a file of this size may hold");
    limits = {};
    limits.header_bytes = 100;
    expect_error(read(fixture("zip.pth"), limits), Errc::limit, "data.pkl");
    limits = {};
    limits.file_bytes = 1000;
    expect_error(read(fixture("zip.pth"), limits), Errc::limit, "5159 bytes; at most 1000");
}

TEST(pth, every_truncation_of_a_zip_is_refused) {
    const std::string whole = fixture("zip.pth");
    for (std::size_t size = 0; size < whole.size(); size += 7) EXPECT_FALSE(read(whole.substr(0, size)).ok()) << size;
}

TEST(pth, every_truncation_of_an_older_file_is_refused) {
    const std::string whole = fixture("legacy.pth");
    for (std::size_t size = 0; size < whole.size(); size += 3) {
        const auto weights = read(whole.substr(0, size));
        ASSERT_FALSE(weights.ok()) << size;
        if (size > 2) {
            EXPECT_NE(weights.error().message.find("truncated after " + std::to_string(size)), std::string::npos) << weights.error().message;
        }
    }
}

std::string without_end(std::string text, std::size_t count) { return text.substr(0, text.size() - count); }
std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
}
std::string tensor_zip(std::int64_t elements, std::int64_t offset, const Shape& shape, const Shape& strides) {
    return torch_zip(p_file(p_dict({{"a", p_tensor(p_storage("0", elements), offset, shape, strides)}})));
}

std::string numpy_array() {
    return p_global("numpy._core.multiarray", "_reconstruct") + "(" + p_global("numpy", "ndarray") + p_tuple({0}) +
           p_text("b") + "tR(" + p_int(1) + p_tuple({2}) + "\x89" + p_text("xx") + "tb";
}

MUTATIONS(pth_zip, {
    {"directory_cut_off", [] { return without_end(fixture("zip.pth"), 30); }, Errc::format, "truncated zip after 5129 bytes"},
    {"cut_within_the_first_entry", [] { return fixture("zip.pth").substr(0, 100); }, Errc::format, "truncated zip after 100 bytes"},
    {"one_byte_of_a_storage_flipped", [] { auto f = torch_zip(small_pickle()); f[f.find(raw(numbers(6)))] ^= 1; return f; }, Errc::format, "storage 0: damaged (CRC error)"},
    {"storage_missing", [] { return make_zip({{"net/data.pkl", small_pickle()}}); }, Errc::format, "storage 0: missing from the archive"},
    {"storage_too_short", [] { return torch_zip(small_pickle(), raw(numbers(5))); }, Errc::format, "storage 0: holds 20 bytes; 24 expected"},
    {"storage_too_long", [] { return torch_zip(small_pickle(), raw(numbers(7))); }, Errc::format, "storage 0: holds 28 bytes; 24 expected"},
    {"no_pickle", [] { return make_zip({{"net/version", "3\n"}}); }, Errc::unsupported, "without data.pkl"},
    {"numpy_arrays", [] { return make_zip({{"a.npy", "x"}}); }, Errc::unsupported, "NumPy"},
    {"tensorflow_in_a_zip", [] { return make_zip({{"model/saved_model.pb", "x"}}); }, Errc::unsupported, "TensorFlow"},
    {"a_pth_packed_in_a_zip", [] { return make_zip({{"model.pth", fixture("legacy.pth")}}); }, Errc::unsupported, "unpack it and give the file inside, model.pth"},
    {"zip_bomb", [] { return fixture("bomb.pth"); }, Errc::limit, "zip bomb"},
    {"unknown_byte_order", [] { return torch_zip(small_pickle(), raw(numbers(6)), {{"net/byteorder", "middle"}}); }, Errc::format, "byte order \"middle\""},
    {"shape_reaches_outside", [] { return tensor_zip(6, 0, {2, 4}, {4, 1}); }, Errc::format, "\"a\" reaches element 7 of a storage that holds 6"},
    {"offset_reaches_outside", [] { return tensor_zip(6, 1, {2, 3}, {3, 1}); }, Errc::format, "reaches element 6"},
    {"negative_offset", [] { return tensor_zip(6, -1, {2, 3}, {3, 1}); }, Errc::format, "negative offset -1"},
    {"negative_side", [] { return tensor_zip(6, 0, {2, -3}, {3, 1}); }, Errc::format, "negative side in its shape [2, -3]"},
    {"negative_stride", [] { return tensor_zip(6, 5, {2, 3}, {-3, -1}); }, Errc::format, "negative stride"},
    {"strides_overflow", [] { return tensor_zip(6, 0, {3, 3}, {INT64_MAX, 1}); }, Errc::format, "overflow"},
    {"shape_overflows", [] { return tensor_zip(6, 0, {1LL << 40, 1LL << 40}, {0, 0}); }, Errc::limit, "overflows"},
    {"shape_overflows_beside_an_empty_side", [] { return tensor_zip(6, 0, {1LL << 40, 0, 1LL << 40}, {0, 0, 0}); }, Errc::limit, "overflows"},
    {"small_file_asks_for_much", [] { return tensor_zip(6, 0, {1 << 14, 1 << 13}, {0, 0}); }, Errc::limit, "more than a file of this size may hold"},
    {"huge_tensor", [] { return tensor_zip(6, 0, {1LL << 30}, {0}); }, Errc::limit, "at most 268435456 allowed"},
    {"element_count_overflows", [] { return tensor_zip(INT64_MAX, 0, {2, 3}, {3, 1}); }, Errc::limit, "overflows"},
    {"element_count_negative", [] { return tensor_zip(-6, 0, {2, 3}, {3, 1}); }, Errc::format, "no element count"},
    {"too_few_strides", [] { return tensor_zip(6, 0, {2, 3}, {1}); }, Errc::format, "1 strides for 2 dimensions"},
    {"too_many_dimensions", [] { return tensor_zip(6, 0, Shape(9, 1), Shape(9, 1)); }, Errc::format, "9 dimensions"},
    {"pickle_cut_off", [] { return torch_zip(without_end(small_pickle(), 3)); }, Errc::format, "truncated after"},
    {"numpy_arrays_in_a_dict", [] { return torch_zip(p_file(p_dict({{"a", numpy_array()}, {"b", numpy_array()}}))); },
     Errc::unsupported, "its values are NumPy arrays; tensors as torch.save writes them expected"},
    {"numpy_arrays_below",
     [] {
         const std::string inner = p_dict({{"a", numpy_array()}});
         return torch_zip(p_file(p_dict({{"epoch", p_int(3)}, {"state_dict", inner}})));
     },
     Errc::unsupported, "its values are NumPy arrays"},
    {"tensors_without_data",
     [] {
         const std::string meta = p_global("torch._utils", "_rebuild_meta_tensor_no_storage") + "(" +
                                  p_global("torch", "float32") + p_tuple({2, 3}) + p_tuple({3, 1}) + "\x89tR";
         return torch_zip(p_file(p_dict({{"a", meta}})));
     },
     Errc::unsupported,
     "tensor \"a\" holds no data: it was saved from torch's device \"meta\", which keeps shapes alone"},
    {"no_tensors", [] { return torch_zip(p_file(p_dict({{"epoch", p_int(3)}}))); }, Errc::format, "no tensors found; the keys are: epoch"},
    {"a_dict_that_contains_itself", [] { return torch_zip(p_file(std::string("}q\x00", 3) + p_text("model") + std::string("h\x00s", 3))); }, Errc::format, "no tensors found; the keys are: model"},
    {"a_dict_of_tensors_that_contains_itself", [] { return torch_zip(p_file(std::string("}q\x00", 3) + p_text("model") + std::string("h\x00s", 3) + p_text("a") + small_tensor() + "s")); }, Errc::format, "a dict that contains itself"},
    {"empty_dict", [] { return torch_zip(p_file("}")); }, Errc::format, "an empty dict"},
    {"a_list", [] { return torch_zip(p_file("]")); }, Errc::format, "it holds a list"},
    {"a_single_tensor", [] { return torch_zip(p_file(p_tensor(p_storage("0", 6), 0, {2, 3}, {3, 1}))); }, Errc::format, "a single tensor"},
    {"duplicate_names", [] { const auto t = p_tensor(p_storage("0", 6), 0, {2, 3}, {3, 1}); return torch_zip(p_file(p_dict({{"a", t}, {"a", t}}))); }, Errc::format, "two tensors are named \"a\""},
    {"name_not_a_string", [] { return torch_zip(p_file("}(" + p_int(1) + p_tensor(p_storage("0", 6), 0, {2, 3}, {3, 1}) + "u")); }, Errc::format, "name is not a string"},
    {"storage_described_twice", [] { return torch_zip(p_file(p_dict({{"a", p_tensor(p_storage("0", 6), 0, {6}, {1})}, {"b", p_tensor(p_storage("0", 3, "DoubleStorage"), 0, {3}, {1})}}))); }, Errc::format, "two different ways"},
    {"storage_type_unknown", [] { return torch_zip(p_file(p_dict({{"a", p_tensor(p_storage("0", 6, "ComplexFloatStorage"), 0, {6}, {1})}}))); }, Errc::unsupported, "torch.ComplexFloatStorage"},
    {"storage_is_a_number", [] { return torch_zip(p_file(p_dict({{"a", p_tensor(p_int(5), 0, {6}, {1})}}))); }, Errc::format, "an integer where a storage belongs"},
    {"a_class_alone", [] { return torch_zip(p_file(p_global("__torch__.net", "Net"))); }, Errc::format, "it holds a class or function"},
    {"an_object_without_tensors", [] { return torch_zip(p_file(module("my.Net", {{"epoch", p_int(1)}}))); }, Errc::format, "an object (my.Net) without tensors"},
    {"frozen_torchscript", [] { return torch_zip(p_file(module("__torch__.Net", {{"training", "\x89"}})), raw(numbers(6)), {{"net/constants.pkl", "\x80\x02)."}, {"net/code/__torch__.py", "x"}}); }, Errc::unsupported, "a TorchScript program without parameters: it was frozen"},
    {"quantised_torchscript", [] { return torch_zip(p_file(module("__torch__.Net", {{"training", "\x89"}, {"w", small_tensor()}, {"conv", module("__torch__.torch.ao.nn.quantized.modules.conv.Conv2d", {{"scale", p_int(1)}})}}))); }, Errc::unsupported, "the weights are quantised (__torch__.torch.ao.nn.quantized"},
    {"quantised_tensor", [] { return torch_zip(p_file(p_dict({{"a", p_global("torch._utils", "_rebuild_qtensor") + "(" + p_storage("0", 6, "QInt8Storage") + p_int(0) + p_tuple({2, 3}) + p_tuple({3, 1}) + "tR"}}))); }, Errc::unsupported, "tensor \"a\" is quantised"},
    {"sharded_tensor", [] { return torch_zip(p_file(p_dict({{"a", p_global("torch._utils", "_rebuild_wrapper_subclass") + "()tR"}}))); }, Errc::unsupported, "tensor \"a\" is one part of a sharded tensor"},
    {"sparse_tensor", [] { return torch_zip(p_file(p_dict({{"a", p_global("torch._utils", "_rebuild_sparse_tensor") + "()tR"}}))); }, Errc::unsupported, "tensor \"a\" is sparse"},
    {"sharded_checkpoint", [] { return make_zip({{"x/__0_0.distcp", "x"}}); }, Errc::unsupported, "a sharded checkpoint"},
    {"torch_export", [] { return make_zip({{"net/models/model.json", "{}"}}); }, Errc::unsupported, "a program of torch.export"},
    {"modules_in_a_ring", [] { return torch_zip(p_file(ring())); }, Errc::limit, "nested more than 64 deep"},
    {"two_modules_of_two_twice_over", [] { return torch_zip(p_file(doubling())); }, Errc::limit, "modules that repeat each other too often"},
    {"malicious_system", [] { return torch_zip(p_file(p_global("posix", "system") + "(" + p_text("rm -rf /") + "tR")); }, Errc::unsupported, "the file wants to run posix.system; refused"},
    {"malicious_eval_inside_a_tensor", [] { return torch_zip(p_file(p_dict({{"a", p_global("builtins", "eval") + "(" + p_text("1") + "tR"}}))); }, Errc::unsupported, "builtins.eval"},
});

TEST(pth, nothing_is_left_of_a_message_that_a_file_tries_to_forge) {
    const auto weights = read(torch_zip(p_file("X" + le<std::uint32_t>(9) + "os\x1b[31m\r\n" + p_text("system") + "\x93)R")));
    expect_error(weights, Errc::unsupported, "os?[31m??.system");
}

std::string legacy_with(const std::string& object) { return torch_legacy(object); }

MUTATIONS(pth_legacy, {
    {"wrong_magic", [] { return replaced(torch_legacy(small_pickle()), "\x6c\xfc\x9c", "\x6c\xfc\x9d"); }, Errc::unsupported, "not made by torch.save"},
    {"plain_pickle", [] { return p_file(p_dict({{"a", p_int(1)}})); }, Errc::unsupported, "not made by torch.save; it starts with a dict"},
    {"other_protocol_version", [] { return kLegacyMagic + p_file(p_int(1002)) + legacy_system() + small_pickle(); }, Errc::unsupported, "1001 expected"},
    {"ends_after_the_magic", [] { return kLegacyMagic; }, Errc::format, "truncated after 15 bytes"},
    {"ends_before_the_keys", [] { return torch_legacy(small_pickle(), "", ""); }, Errc::format, "truncated after"},
    {"ends_before_the_storages", [] { return torch_legacy(small_pickle(), p_file("](" + p_text("0") + "e"), ""); }, Errc::format, "truncated after"},
    {"storage_cut_off", [] { return without_end(torch_legacy(small_pickle()), 1); }, Errc::format, "storage 0: truncated after"},
    {"storage_count_wrong", [] { return torch_legacy(small_pickle(), p_file("](" + p_text("0") + "e"), le<std::int64_t>(7) + raw(numbers(7))); }, Errc::format, "storage 0 holds 7 elements; 6 expected"},
    {"storage_count_negative", [] { return torch_legacy(small_pickle(), p_file("](" + p_text("0") + "e"), le<std::int64_t>(-1)); }, Errc::format, "holds -1 elements"},
    {"keys_not_a_list", [] { return torch_legacy(small_pickle(), p_file("}")); }, Errc::format, "list of storages is missing"},
    {"key_not_a_string", [] { return torch_legacy(small_pickle(), p_file("](" + p_int(0) + "e")); }, Errc::format, "key that is not a string"},
    {"key_unknown", [] { return torch_legacy(small_pickle(), p_file("](" + p_text("1") + "e")); }, Errc::format, "storage 1 is not used"},
    {"key_twice", [] { return torch_legacy(small_pickle(), p_file("](" + p_text("0") + p_text("0") + "e"), le<std::int64_t>(6) + raw(numbers(6)) + le<std::int64_t>(6) + raw(numbers(6))); }, Errc::format, "storage 0 is stored twice"},
    {"key_missing", [] { return torch_legacy(small_pickle(), p_file("]"), ""); }, Errc::format, "storage 0: missing from the file"},
    {"huge_storage_announced", [] { return torch_legacy(p_file(p_dict({{"a", p_tensor(p_storage("0", 1LL << 50), 0, {2, 3}, {3, 1})}})), p_file("](" + p_text("0") + "e"), le<std::int64_t>(1LL << 50) + raw(numbers(6))); }, Errc::format, "truncated after"},
    {"view_outside_its_storage", [] { return legacy_with(p_file(p_dict({{"a", p_tensor(p_storage("0", 6, "FloatStorage", "(" + p_text("v") + p_int(4) + p_int(3) + "t"), 0, {3}, {1})}}))); }, Errc::format, "view outside its storage"},
    {"view_with_a_negative_offset", [] { return legacy_with(p_file(p_dict({{"a", p_tensor(p_storage("0", 6, "FloatStorage", "(" + p_text("v") + p_int(-1) + p_int(3) + "t"), 0, {3}, {1})}}))); }, Errc::format, "negative offset"},
    {"a_class_for_a_storage", [] { return legacy_with(p_file("(" + p_text("module") + p_text("Net") + p_text("net.py") + p_text("source") + "tQ" + "0" + p_dict({{"a", p_tensor("(" + p_text("module") + p_text("Net") + "tQ", 0, {1}, {1})}}))); }, Errc::format, "a class where a storage belongs"},
    {"malicious_reduce", [] { return legacy_with(p_file(p_global("os", "system") + "(" + p_text("true") + "tR")); }, Errc::unsupported, "os.system"},
    {"malicious_in_the_magic", [] { return p_file(p_global("nt", "system") + ")R"); }, Errc::unsupported, "nt.system"},
});

TEST(pth, reads_views_as_older_files_describe_them) {
    const std::string view = "(" + p_text("v") + p_int(2) + p_int(3) + "t";
    const auto weights = read(legacy_with(p_file(p_dict({{"a", p_tensor(p_storage("0", 6, "FloatStorage", view), 1, {2}, {1})}}))));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->tensors.at("a").values, numbers(2, 3));
}

}  // namespace
}  // namespace enlarge
