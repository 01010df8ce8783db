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
    std::map<std::string, std::int64_t> bytes;
    for (const PublicModel& model : registry->models) {
        bytes[model.name] = model.bytes;
        EXPECT_TRUE(model.address.starts_with("https://github.com/")) << model.name;
        EXPECT_TRUE(model.address.ends_with("/" + model.file)) << model.name;
        EXPECT_FALSE(model.licence.empty()) << model.name;
    }
    EXPECT_EQ(bytes.size(), 7U);
    EXPECT_EQ(bytes["realesr-general-x4v3"], 4885111);
    EXPECT_EQ(bytes["realesr-animevideov3"], 2504012);
    EXPECT_EQ(bytes["RealESRGAN_x4plus"], 67040989);
}

TEST(registry, a_registry_that_is_not_there_is_named) {
    setenv(kRegistryVariable, "/nowhere.json", 1);
    const auto registry = load_registry();
    unsetenv(kRegistryVariable);
    ASSERT_FALSE(registry.ok());
    EXPECT_NE(registry.error().message.find("/nowhere.json"), std::string::npos);
}

const std::string kModel = R"({"name":"a","file":"a.pth","address":"https://example.org/a.pth","bytes":5,"sha256":")" + std::string(64, 'a') +
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
    expect_refused(kModel + "," + kModel, "two models are named a");
}

TEST(registry, files_stay_in_their_folder) {
    for (const char* file : {"../a.pth", "/etc/a.pth", "a/b.pth", ".a", "a b", "a\\\\b"})
        expect_refused(with("a.pth\",\"address", std::string(file) + "\",\"address"), "\"file\" may hold letters");
}

TEST(registry, addresses_are_https_or_for_tests_this_machine) {
    expect_refused(with("https://example.org/a.pth", "http://example.org/a.pth"), "must start with https://");
    expect_refused(with("https://example.org/a.pth", "http://127.0.0.1:1/a.pth"), "must start with https://");
    EXPECT_TRUE(parse(with("https://example.org/a.pth", "http://127.0.0.1:1/a.pth"), true).ok());
    EXPECT_FALSE(parse(with("https://example.org/a.pth", "http://127.0.0.1.example.org/a.pth"), true).ok());
    EXPECT_FALSE(parse(with("https://example.org/a.pth", "file:///etc/passwd"), true).ok());
}

TEST(registry, text_that_is_no_registry_is_refused) {
    EXPECT_FALSE(parse_registry("", false).ok());
    EXPECT_FALSE(parse_registry("[]", false).ok());
    EXPECT_FALSE(parse_registry("{\"models\":{}}", false).ok());
}

}  // namespace
}  // namespace enlarge::zoo
