// SPDX-License-Identifier: Apache-2.0
// Picture and video files, lists of models, lines and folders through the C interface.
#include <enlarge/engine.hpp>
#include <enlarge/enlarge.h>
#include <enlarge/picture.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "c_handles.hpp"
#include "pictures.hpp"
#include "support/source_folder.hpp"

namespace {

using enlarge::test::Handles;
using enlarge::test::sized;
namespace fs = std::filesystem;

class files : public ::testing::Test {
protected:
    files() {
        char name[] = "/tmp/enlarge_files_XXXXXX";
        folder_ = mkdtemp(name);
    }
    ~files() override { fs::remove_all(folder_); }
    [[nodiscard]] std::string at(const std::string& name) const { return folder_ + "/" + name; }

    // A picture file, and what the library makes of it in memory.
    enlarge::Image small_picture(const std::string& name) const {
        enlarge::Image small = enlarge::test::picture({37, 21});
        EXPECT_TRUE(enlarge::save_picture(at(name), std::as_const(small).view(), nullptr, {}).ok());
        return small;
    }
    Handles h_;
    std::string folder_;
};

void collect(void* user, int32_t level, const char* code, const char* text) {
    EXPECT_EQ(level, ENLARGE_LOG_NOTICE);
    static_cast<std::vector<std::string>*>(user)->push_back(std::string(code) + ": " + text);
}

TEST_F(files, become_the_picture_that_memory_becomes) {
    const enlarge::Image small = small_picture("small.png");
    auto report = sized<enlarge_file_report>();
    h_.must(enlarge_picture_file(h_.ctx, h_.session, at("small.png").c_str(), at("big.png").c_str(), nullptr, nullptr, &report));
    EXPECT_EQ(report.in_width, 37);
    EXPECT_EQ(report.out_width, 74);
    EXPECT_EQ(report.out_height, 42);
    EXPECT_GT(report.tiles, 0);
    const auto model = enlarge::Model::open("swift-x2").value();
    const auto engine = enlarge::Engine::create(model, {.precision = enlarge::Precision::fp32}).value();
    const auto expected = engine.session().upscale(small.view()).value();
    EXPECT_TRUE(enlarge::test::same(enlarge::Picture::open(at("big.png"))->load().value(), expected));
}

TEST_F(files, of_pictures_honour_their_options) {
    small_picture("small.png");
    const auto run = [&](const enlarge_picture_options& options, const std::string& out) {
        return enlarge_picture_file(h_.ctx, h_.session, at("small.png").c_str(), at(out).c_str(), &options, nullptr, nullptr);
    };
    auto options = sized<enlarge_picture_options>();
    options.width = 100;
    options.format = "webp";
    options.quality = 50;
    h_.must(run(options, "named.anything"));
    EXPECT_EQ(enlarge::Picture::open(at("named.anything"))->info().size, (enlarge::Size{100, 57}));
    EXPECT_EQ(enlarge::Picture::open(at("named.anything"))->info().file_format, enlarge::PictureFormat::webp);
    EXPECT_EQ(run(options, "named.anything"), ENLARGE_EXISTS);
    options.overwrite = 1;
    h_.must(run(options, "named.anything"));
    options.scale = 2;
    EXPECT_EQ(run(options, "both.png"), ENLARGE_ARGUMENT);  // a scale and a width
    options = sized<enlarge_picture_options>();
    options.format = "tga";
    EXPECT_EQ(run(options, "out.tga"), ENLARGE_ARGUMENT);
    options.format = nullptr;
    options.quality = 101;
    EXPECT_EQ(run(options, "out.jpg"), ENLARGE_ARGUMENT);
    EXPECT_EQ(h_.error(), "a quality of 101; expected 1 to 100");
    EXPECT_FALSE(fs::exists(at("out.jpg")));
    EXPECT_EQ(enlarge_picture_file(h_.ctx, h_.session, at("no.png").c_str(), at("x.png").c_str(), nullptr, nullptr, nullptr),
              ENLARGE_NOT_FOUND);
}

TEST_F(files, with_alpha_get_a_background_where_there_must_be_one) {
    enlarge::Image image({16, 16}, {enlarge::SampleType::u8, 8, 4, false});
    for (int y = 0; y < 16; ++y) std::memset(image.view().row(0, y), 0, 64);  // black, nothing to be seen
    ASSERT_TRUE(enlarge::save_picture(at("clear.png"), std::as_const(image).view(), nullptr, {}).ok());
    auto options = sized<enlarge_picture_options>();
    const auto run = [&] {
        return enlarge_picture_file(h_.ctx, h_.session, at("clear.png").c_str(), at("clear.jpg").c_str(), &options, nullptr, nullptr);
    };
    EXPECT_NE(run(), ENLARGE_OK);
    options.background = "mauve";
    EXPECT_EQ(run(), ENLARGE_ARGUMENT);
    options.background = "#ff0000";
    h_.must(run());
    const auto red = enlarge::Picture::open(at("clear.jpg"))->load().value();
    EXPECT_GT(std::to_integer<int>(red.view().row(0, 8)[24]), 240);
    EXPECT_LT(std::to_integer<int>(red.view().row(0, 8)[25]), 16);
}

TEST_F(files, that_are_stopped_leave_nothing) {
    small_picture("small.png");
    auto call = sized<enlarge_call>();
    int calls = 0;
    call.progress = [](void* user, double) { return ++*static_cast<int*>(user) > 1000 ? 1 : 0; };
    call.progress_user = &calls;
    EXPECT_EQ(enlarge_picture_file(h_.ctx, h_.session, at("small.png").c_str(), at("big.png").c_str(), nullptr, &call, nullptr),
              ENLARGE_CANCELLED);
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(fs::exists(at("big.png")));
}

// 30 frames, each of one grey.
void write_clip(const std::string& path) {
    std::ofstream clip(path, std::ios::binary);
    clip << "YUV4MPEG2 W16 H16 F25:1 Ip A1:1 C420mpeg2\n";
    for (int i = 0; i < 30; ++i) clip << "FRAME\n" << std::string(384, static_cast<char>(16 + 7 * i));
}

TEST_F(files, of_video_never_fall_back_in_what_they_report) {
    write_clip(at("in.y4m"));
    std::vector<enlarge_video_progress> seen;
    auto options = sized<enlarge_video_options>();
    options.watch_user = &seen;
    options.watch = [](void* user, const enlarge_video_progress* progress) -> int {
        static_cast<std::vector<enlarge_video_progress>*>(user)->push_back(*progress);
        return ENLARGE_VIDEO_GO_ON;
    };
    h_.must(enlarge_video_file(h_.ctx, h_.session, at("in.y4m").c_str(), at("out.mkv").c_str(), &options, nullptr));
    int after_the_last = 0;
    for (std::size_t i = 1; i < seen.size(); ++i) {
        EXPECT_GE(seen[i].frames, seen[i - 1].frames);
        EXPECT_GE(seen[i].fraction, seen[i - 1].fraction);
        EXPECT_GE(seen[i].output_bytes, seen[i - 1].output_bytes);
        if (seen[i - 1].frames < 30) continue;
        ++after_the_last;  // while the file is put together
        if (after_the_last > 1) {
            EXPECT_EQ(seen[i].frames_per_second, seen[i - 1].frames_per_second);
        }
    }
    EXPECT_GE(after_the_last, 1);
    EXPECT_EQ(seen.back().frames, 30);
    EXPECT_EQ(seen.back().fraction, 1);
}

TEST_F(files, of_video_are_watched_and_stopped) {
    write_clip(at("in.y4m"));
    auto options = sized<enlarge_video_options>();
    std::vector<std::string> notices;
    int watched = 0;
    options.notice = collect;
    options.notice_user = &notices;
    options.watch_user = &watched;
    options.watch = [](void* user, const enlarge_video_progress* progress) -> int {
        EXPECT_GE(progress->size, sizeof(enlarge_video_progress));
        ++*static_cast<int*>(user);
        return ENLARGE_VIDEO_GO_ON;
    };
    options.to_seconds = 0.8;
    options.encoder_options = "threads=1\n";
    auto report = sized<enlarge_video_report>();
    EXPECT_EQ(enlarge_is_video_file(at("in.y4m").c_str()), 1);
    EXPECT_EQ(enlarge_is_video_file(nullptr), 0);
    const std::string in = at("in.y4m"), out = at("out.y4m");
    h_.must(enlarge_video_file(h_.ctx, h_.session, in.c_str(), out.c_str(), &options, &report));
    EXPECT_EQ(report.frames_out, 20);
    EXPECT_EQ(report.out_width, 32);
    EXPECT_GE(watched, 1);
    EXPECT_FALSE(notices.empty());
    EXPECT_EQ(enlarge_video_file(h_.ctx, h_.session, in.c_str(), out.c_str(), &options, nullptr), ENLARGE_EXISTS);
    EXPECT_EQ(h_.error().rfind(in, 0), 0U) << h_.error();
    options.overwrite = 1;
    options.encoder_options = "threads";
    EXPECT_EQ(enlarge_video_file(h_.ctx, h_.session, in.c_str(), out.c_str(), &options, nullptr), ENLARGE_ARGUMENT);
    EXPECT_EQ(h_.error(), "encoder_options: 'threads' should be key=value");
    options.encoder_options = nullptr;
    enlarge_cancellation* stop = enlarge_cancellation_create(0);
    enlarge_cancel(stop);
    options.cancellation = stop;
    EXPECT_EQ(enlarge_video_file(h_.ctx, h_.session, in.c_str(), at("never.y4m").c_str(), &options, nullptr), ENLARGE_CANCELLED);
    EXPECT_FALSE(fs::exists(at("never.y4m")));
    enlarge_cancellation_destroy(stop);
    options.from_seconds = -1;
    EXPECT_EQ(enlarge_video_file(h_.ctx, h_.session, in.c_str(), out.c_str(), &options, nullptr), ENLARGE_ARGUMENT);
}

struct Found {
    std::vector<std::string> names;
    int runs = 0, with_tags = 0;
};
void note(void* user, const enlarge_public_model* model) {
    auto& found = *static_cast<Found*>(user);
    EXPECT_GE(model->size, sizeof(enlarge_public_model));
    EXPECT_TRUE(model->commercial >= -1 && model->commercial <= 1);
    found.names.emplace_back(model->name);
    found.runs += model->runs;
    for (std::size_t i = 0; i < model->tag_count; ++i) found.with_tags += model->tags[i][0] != 0 && i == 0;
}

TEST_F(files, of_models_are_listed_searched_and_found) {
    Found all, compact;
    h_.must(enlarge_visit_models(h_.ctx, nullptr, note, &all));
    EXPECT_GT(all.names.size(), 100U);
    EXPECT_GT(all.with_tags, 100);
    auto query = sized<enlarge_model_query>();
    query.family = "compact";
    query.scale = 4;
    query.runs = 1;
    query.text = "realesr general";
    h_.must(enlarge_visit_models(h_.ctx, &query, note, &compact));
    EXPECT_FALSE(compact.names.empty());
    EXPECT_LT(compact.names.size(), 10U);
    EXPECT_EQ(compact.runs, static_cast<int>(compact.names.size()));
    std::vector<std::string> builtin;
    const auto add = [](void* user, const char* name) { static_cast<std::vector<std::string>*>(user)->emplace_back(name); };
    h_.must(enlarge_visit_builtin_models(h_.ctx, add, &builtin));
    EXPECT_NE(std::find(builtin.begin(), builtin.end(), "swift-x2"), builtin.end());

    const char* partner = nullptr;
    h_.must(enlarge_denoise_partner(h_.ctx, "fine-x4", &partner));
    EXPECT_STREQ(partner, "fine-wdn-x4");
    EXPECT_EQ(enlarge_denoise_partner(h_.ctx, "swift-x4", &partner), ENLARGE_ARGUMENT);
    EXPECT_NE(h_.error().find("not with 'swift-x4'"), std::string::npos) << h_.error();

    ASSERT_EQ(setenv("XDG_DATA_HOME", folder_.c_str(), 1), 0);
    ASSERT_EQ(setenv("ENLARGE_OFFLINE", "1", 1), 0);
    ASSERT_EQ(setenv("ENLARGE_CACHE", "/some/where", 1), 0);
    const char* text = nullptr;
    h_.must(enlarge_models_folder(h_.ctx, &text));
    EXPECT_EQ(std::string(text), folder_ + "/enlarge/models");
    EXPECT_EQ(enlarge_model_find(h_.ctx, "realesr-general-x4v3", &text), ENLARGE_NOT_FOUND);
    EXPECT_EQ(enlarge_model_pull(h_.ctx, "realesr-general-x4v3", nullptr, nullptr, nullptr, &text), ENLARGE_NETWORK);
    EXPECT_EQ(enlarge_model_pull(h_.ctx, "no-such-model", nullptr, nullptr, nullptr, &text), ENLARGE_NOT_FOUND);
    fs::create_directories(folder_ + "/enlarge/models");
    std::ofstream(folder_ + "/enlarge/models/4x_mine.pth") << "not looked into";
    std::vector<std::string> stored;
    h_.must(enlarge_visit_stored_models(h_.ctx, add, &stored));
    EXPECT_NE(std::find(stored.begin(), stored.end(), folder_ + "/enlarge/models/4x_mine.pth"), stored.end());
    h_.must(enlarge_model_find(h_.ctx, "4x-mine", &text));
    EXPECT_EQ(std::string(text), folder_ + "/enlarge/models/4x_mine.pth");
    h_.must(enlarge_cache_folder(h_.ctx, &text));
    EXPECT_STREQ(text, "/some/where");
    h_.must(enlarge_default_model(h_.ctx, 1, 2, &text));
    EXPECT_STREQ(text, "swift-x2");
    h_.must(enlarge_default_model(h_.ctx, 0, 0, &text));
    EXPECT_STREQ(text, "fine-x4");
    for (const char* name : {"XDG_DATA_HOME", "ENLARGE_OFFLINE", "ENLARGE_CACHE"}) unsetenv(name);
}

TEST_F(files, of_models_beyond_the_limits_are_refused) {
    auto limits = sized<enlarge_model_limits>();
    enlarge_model* model = nullptr;
    limits.file_bytes = 1000;
    const std::string file = enlarge::test::source_folder() + "/models/swift-x2.safetensors";
    EXPECT_EQ(enlarge_model_open_within(h_.ctx, file.c_str(), &limits, &model), ENLARGE_LIMIT) << h_.error();
    limits.file_bytes = -1;
    EXPECT_EQ(enlarge_model_open_within(h_.ctx, file.c_str(), &limits, &model), ENLARGE_ARGUMENT);
    limits.file_bytes = 0;
    h_.must(enlarge_model_open_within(h_.ctx, file.c_str(), &limits, &model));
    enlarge_model_close(model);
    std::ifstream in(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    limits.tensors = 2;
    model = nullptr;
    EXPECT_EQ(enlarge_model_read_within(h_.ctx, bytes.data(), bytes.size(), nullptr, &limits, &model), ENLARGE_LIMIT);
    EXPECT_EQ(model, nullptr);
}

TEST_F(files, a_process_has_one_log) {
    static std::mutex mutex;
    static int lines = 0;
    enlarge_set_log([](void* user, int32_t, const char*, const char* text) {
        const std::lock_guard lock(mutex);
        EXPECT_EQ(user, &mutex);
        EXPECT_NE(text, nullptr);
        ++lines;
    }, &mutex);
    enlarge::log(enlarge::LogLevel::notice, {"code", "text"});
    EXPECT_EQ(lines, 1);
    enlarge_set_log(nullptr, nullptr);
    enlarge::log(enlarge::LogLevel::notice, {"code", "text"});
    EXPECT_EQ(lines, 1);
}

}  // namespace
