// SPDX-License-Identifier: Apache-2.0
// What is chosen for a kind of picture, and partners that remove less noise.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "enlarge/choice.hpp"

namespace enlarge {
namespace {

constexpr const char* kNames[] = {"photo", "drawing", "text", "film", "tape", "phone"};

TEST(choice, knows_its_six_words_whatever_their_case) {
    for (const std::string name : kNames) {
        const auto kind = parse_kind(name);
        ASSERT_TRUE(kind.ok()) << name;
        EXPECT_EQ(kind_name(*kind), name);
        std::string loud = name;
        for (char& c : loud) c = static_cast<char>(c - 32);
        ASSERT_TRUE(parse_kind(loud).ok());
        EXPECT_EQ(*parse_kind(loud), *kind);
    }
}

TEST(choice, says_what_others_words_are_called_here) {
    for (const auto& [word, ours] : {std::pair{"anime", "drawing"}, {"vhs", "tape"}, {"Screenshot", "text"}, {"movie", "film"}, {"selfie", "phone"}}) {
        const auto kind = parse_kind(word);
        ASSERT_FALSE(kind.ok());
        EXPECT_EQ(kind.error().code, Errc::argument);
        EXPECT_EQ(kind.error().message, "'" + std::string(word) + "' is called " + ours + " here; there are photo, drawing, text, film, tape and phone");
    }
    EXPECT_NE(parse_kind("x").error().message.find("no kind of picture"), std::string::npos);
    EXPECT_FALSE(parse_kind("").ok());
}

TEST(choice, names_networks_that_can_be_used_for_that_factor) {
    ::setenv("XDG_DATA_HOME", testing::TempDir().c_str(), 1);  // nothing is stored there
    for (const char* name : kNames)
        for (const Use use : {Use::pictures, Use::video})
            for (const double factor : {0.0, 1.5, 2.0, 3.0, 4.0}) {
                const Choice choice = choose(*parse_kind(name), use, factor);
                const auto model = Model::open(choice.model);
                ASSERT_TRUE(model.ok()) << name << ": " << model.error().message;
                EXPECT_EQ(model->info().scale, factor > 0 && factor <= 2 ? 2 : 4) << name;
                EXPECT_GT(choice.strength, 0.5);
                EXPECT_LE(choice.strength, 1);
                if (choice.denoise == 1) continue;
                const auto partner = denoise_partner(choice.model);
                ASSERT_TRUE(partner.ok()) << name;
                const auto other = Model::open(*partner);
                ASSERT_TRUE(other.ok()) << other.error().message;
                EXPECT_TRUE(model->blend(*other, 0.5F).ok()) << name;
            }
    EXPECT_NE(choose(Kind::tape, Use::video).filter_before, "");
    EXPECT_FALSE(choose(Kind::tape, Use::video).deinterlace);  // what the filter does is not done twice
    EXPECT_LT(choose(Kind::film, Use::video).strength, 1);
    EXPECT_EQ(choose(Kind::text, Use::pictures).model, "faithful-x4");
}

TEST(choice, partners_are_found_by_name_alias_and_file) {
    EXPECT_EQ(*denoise_partner("fine-x4"), "fine-wdn-x4");
    EXPECT_EQ(*denoise_partner("fine-x2"), "fine-wdn-x2");
    EXPECT_EQ(*denoise_partner("models/fine-x2.safetensors"), "models/fine-wdn-x2.safetensors");
    EXPECT_EQ(*denoise_partner("realesr-general-x4v3"), "realesr-general-wdn-x4v3");
    EXPECT_EQ(*denoise_partner("4x-realesr-general-x4v3"), "realesr-general-wdn-x4v3");
    EXPECT_EQ(*denoise_partner("/a/RealESR-general-x4v3.pth"), "/a/RealESR-general-wdn-x4v3.pth");
    for (const char* alone : {"swift-x4", "refine-x4", "x.pth", "", "fine-wdn-x4", "a/realesr-general-wdn-x4v3.pth"}) {
        const auto none = denoise_partner(alone);
        ASSERT_FALSE(none.ok()) << alone;
        EXPECT_EQ(none.error().code, Errc::argument);
        EXPECT_NE(none.error().message.find(alone), std::string::npos);
    }
}

}  // namespace
}  // namespace enlarge
