// SPDX-License-Identifier: Apache-2.0
#include "zoo/registry.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace enlarge::zoo {
namespace {

TEST(registry, the_one_compiled_in_lists_the_public_originals) {
    unsetenv(kRegistryVariable);
    const auto registry = load_registry();
    ASSERT_TRUE(registry.ok()) << registry.error().message;
    EXPECT_FALSE(registry->overridden);
    std::map<std::string, const PublicModel*> models;
    for (const PublicModel& model : registry->models) {
        models[model.name] = &model;
        EXPECT_FALSE(model.addresses.empty() && model.page.empty()) << model.name;
        EXPECT_FALSE(model.licence.empty()) << model.name;
        EXPECT_FALSE(model.purpose.empty() && model.tags.empty() && !model.original) << model.name;
    }
    EXPECT_GE(models.size(), 671U);
    EXPECT_EQ(models["realesr-general-x4v3"]->bytes, 4885111);
    EXPECT_EQ(models["realesr-animevideov3"]->bytes, 2504012);
    EXPECT_EQ(models["RealESRGAN_x4plus"]->bytes, 67040989);
    EXPECT_TRUE(models["RealESRGAN_x4plus"]->original);
    EXPECT_EQ(registry->models[0].name, "realesr-general-x4v3") << "ours come first";
}

TEST(registry, names_are_found_as_people_write_them) {
    unsetenv(kRegistryVariable);
    const auto registry = load_registry();
    ASSERT_TRUE(registry.ok());
    for (const char* name : {"RealESRGAN_x4plus", "realesrgan-x4plus", "REALESRGAN_X4PLUS", "4x-realesrgan-x4plus", "RealESRGAN_x4plus.pth"}) {
        const auto model = only_named(registry->models, name);
        ASSERT_TRUE(model.ok()) << name;
        EXPECT_EQ((*model)->name, "RealESRGAN_x4plus") << name;
    }
    EXPECT_EQ(only_named(registry->models, "realesrgan-x5plus").error().code, Errc::not_found);
}

TEST(registry, licences_tell_whether_commercial_use_is_allowed) {
    EXPECT_EQ(allows_commercial_use("CC-BY-NC-SA-4.0"), false);
    EXPECT_EQ(allows_commercial_use("BSD-3-Clause"), true);
    EXPECT_EQ(allows_commercial_use("unknown"), std::nullopt);
    EXPECT_EQ(allows_commercial_use(""), std::nullopt);
}

TEST(registry, a_registry_that_is_not_there_is_named) {
    setenv(kRegistryVariable, "/nowhere.json", 1);
    const auto registry = load_registry();
    unsetenv(kRegistryVariable);
    ASSERT_FALSE(registry.ok());
    EXPECT_NE(registry.error().message.find("/nowhere.json"), std::string::npos);
}

const std::string kModel = R"({"name":"a","file":"a.pth","addresses":["https://example.org/a.pth"],"bytes":5,"sha256":")" + std::string(64, 'a') +
                           R"(","licence":"MIT","licence_address":"https://example.org","family":"Compact","scale":4,"purpose":"p"})";
std::string with(const std::string& from, const std::string& to) {
    std::string text = kModel;
    return text.replace(text.find(from), from.size(), to);
}
Result<Registry> parse(const std::string& model, bool overridden = false) {
    return parse_registry("{\"models\":[" + model + "]}", overridden);
}
void expect_refused(const std::string& model, const std::string& says) {
    const auto registry = parse(model);
    ASSERT_FALSE(registry.ok()) << model;
    EXPECT_EQ(registry.error().code, Errc::format);
    EXPECT_NE(registry.error().message.find(says), std::string::npos) << registry.error().message;
}

TEST(registry, every_broken_field_is_named) {
    ASSERT_TRUE(parse(kModel).ok());
    expect_refused("5", "model 1: an object expected");
    expect_refused(with("\"name\":\"a\",", ""), "\"name\" is missing");
    expect_refused(with("\"name\":\"a\"", "\"name\":7"), "\"name\" is missing or not a string");
    expect_refused(with("\"bytes\":5", "\"bytes\":-5"), "\"bytes\"");
    expect_refused(with("\"bytes\":5", "\"bytes\":0"), "\"bytes\"");
    expect_refused(with("\"scale\":4", "\"scale\":400"), "\"scale\"");
    expect_refused(with("aaaa", "AAAA"), "\"sha256\" must be 64");
    expect_refused(with("aaaa", "aaa"), "\"sha256\" must be 64");
    expect_refused(with("\"addresses\":[\"https://example.org/a.pth\"]", "\"addresses\":\"https://example.org/a.pth\""), "\"addresses\" is not a list");
    expect_refused(with("\"addresses\":[\"https://example.org/a.pth\"],", ""), "neither \"addresses\" nor \"page\"");
    expect_refused(with("\"purpose\":\"p\"", "\"purpose\":\"p\",\"page\":\"javascript:1\""), "\"page\" must start with https://");
    expect_refused(kModel + "," + kModel, "two models are named a");
    expect_refused(with("\"purpose\":\"p\"", "\"purpose\":\"p\",\"aliases\":[\"b\"]") + "," + with("\"name\":\"a\",\"file\":\"a.pth\"", "\"name\":\"b\",\"file\":\"b.pth\""),
                   "two models are named b");
}

TEST(registry, files_stay_in_their_folder) {
    for (const char* file : {"../a.pth", "/etc/a.pth", "a/b.pth", ".a", "a b", "a\\\\b"})
        expect_refused(with("a.pth\",\"addresses", std::string(file) + "\",\"addresses"), "\"file\" may hold letters");
}

TEST(registry, addresses_are_https_or_for_tests_this_machine) {
    expect_refused(with("https://example.org/a.pth", "http://example.org/a.pth"), "must start with https://");
    expect_refused(with("https://example.org/a.pth", "http://127.0.0.1:1/a.pth"), "must start with https://");
    EXPECT_TRUE(parse(with("https://example.org/a.pth", "http://127.0.0.1:1/a.pth"), true).ok());
    EXPECT_FALSE(parse(with("https://example.org/a.pth", "http://127.0.0.1.example.org/a.pth"), true).ok());
    EXPECT_FALSE(parse(with("https://example.org/a.pth", "file:///etc/passwd"), true).ok());
}

TEST(registry, two_names_that_differ_in_case_alone_are_told_apart_or_both_named) {
    const auto registry = parse(kModel + "," + R"({"name":"A","file":"A.pth","addresses":["https://example.org/A.pth"],"bytes":5,"sha256":")" +
                                std::string(64, 'b') + R"(","licence":"MIT","family":"Compact","scale":2})");
    ASSERT_TRUE(registry.ok()) << registry.error().message;
    EXPECT_EQ((*only_named(registry->models, "A"))->scale, 2);
    EXPECT_EQ((*only_named(registry->models, "a"))->scale, 4);
    const auto either = parse(with("\"name\":\"a\"", "\"name\":\"a-b\"") + "," + R"({"name":"A_B","file":"B.pth","page":"https://example.org/B","bytes":5,"sha256":")" +
                              std::string(64, 'b') + R"(","licence":"MIT","family":"Compact","scale":2})");
    ASSERT_TRUE(either.ok()) << either.error().message;
    EXPECT_EQ(only_named(either->models, "A-b").error().message, "\"A-b\" may mean a-b or A_B; write one exactly");
}

TEST(registry, text_that_is_no_registry_is_refused) {
    EXPECT_FALSE(parse_registry("", false).ok());
    EXPECT_FALSE(parse_registry("[]", false).ok());
    EXPECT_FALSE(parse_registry("{\"models\":{}}", false).ok());
}

}  // namespace
}  // namespace enlarge::zoo
