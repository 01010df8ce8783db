// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "enlarge/models.hpp"
#include "unit/zoo/server.hpp"
#include "zoo/files.hpp"
#include "zoo/registry.hpp"
#include "zoo/store.hpp"

namespace enlarge {
namespace {

using namespace test;
namespace fs = std::filesystem;

std::string make_payload() {
    std::string bytes;
    std::uint32_t state = 1;
    for (int i = 0; i < 300000; ++i) bytes += static_cast<char>((state = state * 1664525U + 1013904223U) >> 24);
    return bytes;
}

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// A fresh XDG_DATA_HOME and a registry whose one model, "net", lies on a server of the test's own.
class pull : public ::testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/enlarge-zoo-XXXXXX";
        home_ = mkdtemp(name);
        setenv("XDG_DATA_HOME", home_.c_str(), 1);
        unsetenv("ENLARGE_OFFLINE");  // of whoever runs the tests
        unsetenv("ENLARGE_MODELS");
        payload_ = make_payload();
        std::ofstream(home_ / "payload", std::ios::binary) << payload_;
        sha256_ = *zoo::sha256_of(home_ / "payload");
    }
    void TearDown() override {
        unsetenv("XDG_DATA_HOME");
        unsetenv(zoo::kRegistryVariable);
        fs::remove_all(home_);
    }
    void use_address(const std::string& address) {
        const fs::path registry = home_ / "registry.json";
        std::ofstream(registry) << R"({"models":[{"name":"net","file":"net.pth","addresses":[")" << address << R"("],"bytes":)"
                                << payload_.size() << R"(,"sha256":")" << sha256_
                                << R"(","licence":"MIT","licence_address":"https://example.org","family":"Compact","scale":4,"purpose":"tests"}]})";
        setenv(zoo::kRegistryVariable, registry.c_str(), 1);
    }
    // Serves /net.pth with `handler`.
    Server& serve(Handler handler) {
        server_ = std::make_unique<Server>(std::move(handler));
        use_address(server_->address("/net.pth"));
        return *server_;
    }
    // A server that does everything right.
    std::string good(const Request& request) const {
        const auto from = static_cast<std::size_t>(request.from());
        if (request.range.empty()) return answer("200 OK", payload_);
        return answer("206 Partial Content", payload_.substr(from),
                      "Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(payload_.size() - 1) + "/" +
                          std::to_string(payload_.size()) + "\r\n");
    }
    // Headers for all of the payload, and the first `count` bytes only.
    std::string broken_off(std::size_t count) const {
        const std::string whole = answer("200 OK", payload_);
        return whole.substr(0, whole.size() - payload_.size() + count);
    }
    [[nodiscard]] fs::path folder() const { return home_ / "enlarge" / "models"; }
    [[nodiscard]] fs::path file() const { return folder() / "net.pth"; }
    [[nodiscard]] fs::path part() const { return folder() / "net.pth.part"; }
    void write_part(const std::string& bytes) const {
        fs::create_directories(folder());
        std::ofstream(part(), std::ios::binary) << bytes;
    }
    void expect_complete(const Result<std::string>& result) const {
        ASSERT_TRUE(result.ok()) << result.error().message;
        EXPECT_EQ(*result, file().string());
        EXPECT_TRUE(read_file(file()) == payload_);
        EXPECT_FALSE(fs::exists(part()));
    }
    void expect_failure(const Result<std::string>& result, Errc code, const std::string& says) const {
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(static_cast<int>(result.error().code), static_cast<int>(code)) << result.error().message;
        EXPECT_NE(result.error().message.find(says), std::string::npos) << result.error().message;
        EXPECT_EQ(result.error().message.find('\n'), std::string::npos);
        EXPECT_FALSE(fs::exists(file())) << "a file got its name before it was verified";
    }

    fs::path home_;
    std::string payload_, sha256_;
    std::unique_ptr<Server> server_;
};

TEST_F(pull, stores_a_verified_file_and_reports_progress) {
    serve([&](const Request& r) { return good(r); });
    std::int64_t last = 0, calls = 0;
    expect_complete(pull_model("net", [&](std::int64_t done, std::int64_t total) {
        EXPECT_EQ(total, 300000);
        EXPECT_GE(done, last);
        last = done;
        return ++calls > 0;
    }));
    EXPECT_EQ(last, 300000);
    EXPECT_EQ(*find_model("net"), file().string());
    EXPECT_EQ(*find_model("net.pth"), file().string());
    EXPECT_EQ(stored_models(), std::vector<std::string>{file().string()});
    EXPECT_EQ((*public_models())[0].path, file().string());
}

TEST_F(pull, does_nothing_when_the_file_is_there) {
    Server& server = serve([&](const Request& r) { return good(r); });
    expect_complete(pull_model("net"));
    expect_complete(pull_model("net.pth"));
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(pull, keeps_what_arrived_when_the_connection_breaks_and_continues_there) {
    std::atomic<bool> broken = true;
    Server& server = serve([&](const Request& r) { return broken ? broken_off(100000) : good(r); });
    expect_failure(pull_model("net"), Errc::network, "broke after 100000 of 300000 bytes; pull again to continue");
    EXPECT_EQ(fs::file_size(part()), 100000U);
    broken = false;
    std::int64_t first = -1;
    expect_complete(pull_model("net", [&](std::int64_t done, std::int64_t) {
        if (first < 0) first = done;
        return true;
    }));
    EXPECT_GE(first, 100000);
    ASSERT_EQ(server.requests().size(), 2U);
    EXPECT_EQ(server.requests()[1].range, "bytes=100000-");
}

TEST_F(pull, notices_a_body_without_length_that_ends_early) {
    serve([&](const Request&) { return "HTTP/1.0 200 OK\r\n\r\n" + payload_.substr(0, 1234); });
    expect_failure(pull_model("net"), Errc::network, "stopped after 1234 of 300000 bytes");
    EXPECT_EQ(fs::file_size(part()), 1234U);
}

TEST_F(pull, starts_over_when_the_server_ignores_the_range) {
    Server& server = serve([&](const Request&) { return answer("200 OK", payload_); });
    write_part(payload_.substr(0, 5000));
    expect_complete(pull_model("net"));
    ASSERT_EQ(server.requests().size(), 1U);
    EXPECT_EQ(server.requests()[0].range, "bytes=5000-");
}

TEST_F(pull, starts_over_when_the_partial_file_was_of_something_else) {
    Server& server = serve([&](const Request& r) { return good(r); });
    write_part(std::string(5000, 'x'));
    expect_complete(pull_model("net"));
    ASSERT_EQ(server.requests().size(), 2U);
    EXPECT_EQ(server.requests()[1].range, "");
}

TEST_F(pull, starts_over_when_the_server_refuses_the_range) {
    Server& server = serve([&](const Request& r) { return r.range.empty() ? good(r) : answer("416 Range Not Satisfiable", ""); });
    write_part(payload_.substr(0, 5000));
    expect_complete(pull_model("net"));
    EXPECT_EQ(server.requests().size(), 2U);
}

TEST_F(pull, a_partial_file_that_is_longer_than_the_whole_is_dropped) {
    serve([&](const Request& r) { return good(r); });
    write_part(payload_ + "more");
    expect_complete(pull_model("net"));
}

TEST_F(pull, a_partial_file_that_is_complete_needs_no_request) {
    Server& server = serve([&](const Request& r) { return good(r); });
    write_part(payload_);
    expect_complete(pull_model("net"));
    EXPECT_TRUE(server.requests().empty());
}

TEST_F(pull, refuses_a_range_that_was_not_asked_for) {
    serve([&](const Request& r) { return good({r.path, "bytes=6000-"}); });
    write_part(payload_.substr(0, 5000));
    expect_failure(pull_model("net"), Errc::network, "the server sends bytes from 6000; 5000 asked for");
}

TEST_F(pull, a_file_of_another_content_never_gets_the_name) {
    std::string other = payload_;
    other[150000] ^= 1;
    serve([&](const Request&) { return answer("200 OK", other); });
    expect_failure(pull_model("net"), Errc::format, "is not the registered file: its SHA-256 is ");
    EXPECT_FALSE(fs::exists(part()));
}

TEST_F(pull, a_file_of_another_size_is_refused_before_it_is_downloaded) {
    serve([&](const Request&) { return answer("200 OK", payload_ + "x"); });
    expect_failure(pull_model("net"), Errc::format, "the server's file has 300001 bytes; 300000 expected");
    EXPECT_FALSE(fs::exists(part()));
}

TEST_F(pull, a_body_without_end_is_cut) {
    serve([&](const Request&) { return "HTTP/1.0 200 OK\r\n\r\n" + payload_ + payload_; });
    expect_failure(pull_model("net"), Errc::format, "more than the 300000 bytes expected");
    EXPECT_LE(fs::file_size(part()), 300000U);
}

TEST_F(pull, an_error_page_is_not_stored) {
    Server& server = serve([&](const Request&) { return answer("404 Not Found", "<html>no</html>"); });
    expect_failure(pull_model("net"), Errc::network, server.address("/net.pth") + ": the server answered 404, there is no such file");
    EXPECT_FALSE(fs::exists(part()));
    serve([&](const Request&) { return answer("503 Service Unavailable", ""); });
    expect_failure(pull_model("net"), Errc::network, "the server answered 503");
}

TEST_F(pull, offline_gives_one_sentence) {
    serve([&](const Request& r) { return good(r); }).stop();
    expect_failure(pull_model("net"), Errc::network, "cannot be reached; is this machine offline?");
    use_address("https://nowhere.invalid/net.pth");
    expect_failure(pull_model("net"), Errc::network, "nowhere.invalid cannot be reached; is this machine offline?");
}

TEST_F(pull, follows_redirects_on_this_machine) {
    Server& server = serve([&](const Request& r) { return r.path == "/net.pth" ? answer("302 Found", "", "Location: /there\r\n") : good(r); });
    write_part(payload_.substr(0, 5000));
    expect_complete(pull_model("net"));
    EXPECT_EQ(server.requests().back().range, "bytes=5000-");
}

TEST_F(pull, does_not_follow_redirects_elsewhere) {
    const auto redirect = [&](const std::string& location) {
        serve([location](const Request&) { return answer("302 Found", "", "Location: " + location + "\r\n"); });
    };
    redirect("http://192.0.2.1/net.pth");
    expect_failure(pull_model("net"), Errc::network, "redirected from this machine to another one; refused");
    redirect("file:///etc/passwd");
    expect_failure(pull_model("net"), Errc::network, "redirects to an address that is not http");
    redirect("/net.pth");
    expect_failure(pull_model("net"), Errc::network, "redirects more than 8 times");
}

TEST_F(pull, stops_when_asked_and_continues_later) {
    serve([&](const Request& r) { return good(r); });
    const auto stopped = pull_model("net", [&](std::int64_t done, std::int64_t) { return done < 1; });
    expect_failure(stopped, Errc::cancelled, "stopped");
    expect_complete(pull_model("net"));
}

TEST_F(pull, two_at_once_do_not_write_the_same_file) {
    serve([&](const Request& r) { return good(r); });
    bool tried = false;
    expect_complete(pull_model("net", [&](std::int64_t, std::int64_t) {
        if (!std::exchange(tried, true)) {
            const auto second = pull_model("net");
            EXPECT_FALSE(second.ok());
            if (!second) {
                EXPECT_EQ(second.error().message, "another download of this model is running");
            }
        }
        return true;
    }));
    EXPECT_TRUE(tried);
}

TEST_F(pull, a_file_of_the_user_is_not_overwritten) {
    Server& server = serve([&](const Request& r) { return good(r); });
    fs::create_directories(folder());
    std::ofstream(file()) << "mine";
    const auto result = pull_model("net");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Errc::exists);
    EXPECT_NE(result.error().message.find("is not the registered file; remove it"), std::string::npos);
    EXPECT_EQ(read_file(file()), "mine");
    EXPECT_TRUE(server.requests().empty());
}

TEST_F(pull, a_partial_file_that_is_a_link_is_not_followed) {
    serve([&](const Request& r) { return good(r); });
    fs::create_directories(folder());
    fs::create_symlink(home_ / "elsewhere", part());
    expect_failure(pull_model("net"), Errc::io, "cannot be written");
    EXPECT_FALSE(fs::exists(home_ / "elsewhere"));
}

TEST_F(pull, says_when_the_folder_cannot_be_made) {
    serve([&](const Request& r) { return good(r); });
    std::ofstream(home_ / "file") << "x";
    setenv("XDG_DATA_HOME", (home_ / "file").c_str(), 1);
    expect_failure(pull_model("net"), Errc::io, "cannot be created");
}

TEST_F(pull, unknown_and_absent_models_are_told_apart) {
    serve([&](const Request& r) { return good(r); });
    expect_failure(pull_model("other"), Errc::not_found, "no public model is named \"other\"");
    EXPECT_EQ(find_model("net").error().message, "the model net is not on this machine; get it with: enlarge models pull net");
    EXPECT_EQ(find_model("other").error().message, "no model is named \"other\"; enlarge models lists them");
    fs::create_directories(folder());
    std::ofstream(folder() / "other.safetensors") << "x";
    EXPECT_EQ(*find_model("other"), (folder() / "other.safetensors").string());
}

TEST(sha256, agrees_with_the_published_vectors) {
    char name[] = "/tmp/enlarge-sha-XXXXXX";
    const int descriptor = mkstemp(name);
    EXPECT_EQ(*zoo::sha256_of(name), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ASSERT_EQ(::write(descriptor, "abc", 3), 3);
    EXPECT_EQ(*zoo::sha256_of(name), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ::close(descriptor);
    ::unlink(name);
    EXPECT_EQ(zoo::sha256_of(name).error().code, Errc::io);
}

TEST_F(pull, tries_the_next_address_where_one_fails) {
    Server& server = serve([&](const Request& r) {
        return r.path == "/good.pth" ? good(r) : r.path == "/wrong.pth" ? answer("200 OK", std::string(300000, 'x')) : answer("404 Not Found", "");
    });
    use_address(server.address("/gone.pth") + "\",\"" + server.address("/wrong.pth") + "\",\"" + server.address("/good.pth"));
    expect_complete(pull_model("net"));
    ASSERT_EQ(server.requests().size(), 3U);
    EXPECT_EQ(server.requests()[2].range, "") << "nothing of the wrong file may be continued";
}

TEST_F(pull, says_how_many_addresses_failed) {
    Server& server = serve([&](const Request&) { return answer("404 Not Found", ""); });
    use_address(server.address("/a.pth") + "\",\"" + server.address("/b.pth"));
    expect_failure(pull_model("net"), Errc::network, "/a.pth: the server answered 404, there is no such file (and 1 more address failed)");
}

TEST_F(pull, asks_nobody_when_offline) {
    Server& server = serve([&](const Request& r) { return good(r); });
    setenv("ENLARGE_OFFLINE", "1", 1);
    expect_failure(pull_model("net"), Errc::network, "ENLARGE_OFFLINE forbids to download it");
    setenv("ENLARGE_OFFLINE", "0", 1);
    expect_complete(pull_model("net"));
    unsetenv("ENLARGE_OFFLINE");
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(pull, sends_a_person_to_the_page_of_a_file_that_no_program_can_fetch) {
    const fs::path registry = home_ / "registry.json";
    std::ofstream(registry) << R"({"models":[{"name":"net","file":"net.pth","page":"https://example.org/net","bytes":300000,"sha256":")" << sha256_
                            << R"(","licence":"unknown","family":"DAT","scale":4,"tags":["photo"]}]})";
    setenv(zoo::kRegistryVariable, registry.c_str(), 1);
    for (const char* offline : {"0", "1"}) {
        setenv("ENLARGE_OFFLINE", offline, 1);
        expect_failure(pull_model("net"), Errc::unsupported, "no program can download net");
    }
    unsetenv("ENLARGE_OFFLINE");
    expect_failure(pull_model("net"), Errc::unsupported, "a person finds it at https://example.org/net; put it into " + folder().string() + " as net.pth");
}

TEST_F(pull, finds_models_in_folders_of_ones_own) {
    serve([&](const Request& r) { return good(r); });
    fs::create_directories(home_ / "mine" / "anime");
    for (const char* name : {"4x_Mine.pth", "anime/Deep-One.safetensors", "notes.txt"}) std::ofstream(home_ / "mine" / name) << "x";
    setenv("ENLARGE_MODELS", (home_ / "mine").c_str(), 1);
    EXPECT_EQ(find_model("4x-mine").value(), (home_ / "mine" / "4x_Mine.pth").string());
    EXPECT_EQ(find_model("deep-one").value(), (home_ / "mine" / "anime" / "Deep-One.safetensors").string());
    EXPECT_EQ(stored_models().size(), 2U);
    unsetenv("ENLARGE_MODELS");
    EXPECT_FALSE(find_model("4x-mine").ok());
}

// ENLARGE_MODELS is a folder of files; the one public model, "net", is not downloaded.
class own_models : public pull {
protected:
    void SetUp() override {
        pull::SetUp();
        use_address("https://example.org/net.pth");
        mine_ = home_ / "mine";
        setenv("ENLARGE_MODELS", mine_.c_str(), 1);
    }
    void TearDown() override {
        unsetenv("ENLARGE_MODELS");
        pull::TearDown();
    }
    void put(const std::string& name, const std::string& content = "x") {
        fs::create_directories((mine_ / name).parent_path());
        std::ofstream(mine_ / name, std::ios::binary) << content;
    }
    [[nodiscard]] std::string at(const std::string& name) const { return (mine_ / name).string(); }

    fs::path mine_;
};

TEST_F(own_models, a_file_is_a_public_model_by_its_size_and_hash_alone) {
    put("net.safetensors");
    EXPECT_EQ(public_models().value()[0].path, "");
    EXPECT_EQ(zoo::find("net").value().path, at("net.safetensors"));
    EXPECT_EQ(zoo::find("net").value().not_public, "net");
    put("net.safetensors", std::string(payload_.size(), 'x'));  // the same size
    EXPECT_EQ(find_public_model("net").value().path, "");
    EXPECT_EQ(list_stored_models().value()[0].namesake, "net");
    EXPECT_EQ(list_stored_models().value()[0].public_model, "");
    put("sub/net.pth", payload_);
    EXPECT_EQ(find_public_model("net").value().path, at("sub/net.pth"));
    EXPECT_EQ(zoo::find("net").value().path, at("sub/net.pth")) << "the public one is meant where it is here";
    EXPECT_EQ(zoo::find("net").value().not_public, "");
    EXPECT_EQ(find_model("net.safetensors").value(), at("net.safetensors"));
    const auto stored = list_stored_models().value();
    ASSERT_EQ(stored.size(), 2U);
    EXPECT_EQ(stored[0].name, "net.safetensors");
    EXPECT_EQ(stored[1].name, "net");
    EXPECT_EQ(stored[1].public_model, "net");
}

TEST_F(own_models, a_file_that_changes_is_looked_at_again) {
    put("net.pth", payload_);
    EXPECT_EQ(find_public_model("net").value().path, at("net.pth"));
    put("other", std::string(payload_.size(), 'x'));
    fs::rename(mine_ / "other", mine_ / "net.pth");
    EXPECT_EQ(find_public_model("net").value().path, "");
}

TEST_F(own_models, a_name_of_several_is_refused_with_what_can_be_written) {
    for (const char* name : {"a.pth", "a.safetensors", "sub/a.safetensors"}) put(name);
    for (const std::string name : {"a", "A"})
        expect_failure(find_model(name), Errc::argument,
                       "\"" + name + "\" may mean a.pth, a.safetensors or sub/a.safetensors; write one of them");
    for (const char* name : {"a.pth", "a.safetensors", "sub/a.safetensors"})
        EXPECT_EQ(find_model(name).value(), at(name));
    EXPECT_EQ(find_model("sub/a").value(), at("sub/a.safetensors"));
    EXPECT_EQ(find_model("Sub/A").value(), at("sub/a.safetensors"));
    std::vector<std::string> names;
    const auto stored = list_stored_models();
    ASSERT_TRUE(stored.ok());
    for (const StoredModel& model : *stored) names.push_back(model.name);
    EXPECT_EQ(names, (std::vector<std::string>{"a.pth", "a.safetensors", "sub/a.safetensors"}));
}

TEST_F(own_models, the_same_path_in_two_folders_is_told_by_the_folder) {
    put("one/a.pth");
    put("two/a.pth");
    setenv("ENLARGE_MODELS", (at("one") + ":" + at("two") + ":" + at("two")).c_str(), 1);
    expect_failure(find_model("a"), Errc::argument, "may mean " + at("one/a.pth") + " or " + at("two/a.pth"));
    const auto stored = list_stored_models().value();
    ASSERT_EQ(stored.size(), 2U) << "a folder that is named twice is one folder";
    EXPECT_EQ(stored[0].name, at("one/a.pth"));
}

TEST_F(own_models, a_file_named_like_a_built_in_network_has_another_name) {
    put("fine-x4.safetensors");
    const auto stored = list_stored_models().value();
    ASSERT_EQ(stored.size(), 1U);
    EXPECT_EQ(stored[0].name, "fine-x4.safetensors");
    EXPECT_EQ(stored[0].namesake, "fine-x4");
    EXPECT_EQ(find_model(stored[0].name).value(), at("fine-x4.safetensors"));
}

TEST_F(own_models, endings_are_known_in_any_case_and_hidden_files_are_none) {
    for (const char* name : {"Upper.SAFETENSORS", ".hidden.pth", ".git/deep.pth"}) put(name);
    EXPECT_EQ(stored_models(), std::vector<std::string>{at("Upper.SAFETENSORS")});
}

TEST_F(own_models, a_folder_that_is_none_is_said) {
    put("a.pth");
    setenv("ENLARGE_MODELS", (at("gone") + ":" + at("a.pth") + ":" + at(".")).c_str(), 1);
    const std::vector<Notice> said = own_folder_notices();
    ASSERT_EQ(said.size(), 2U);
    EXPECT_EQ(said[0].text, at("gone") + ", which ENLARGE_MODELS names, is not there");
    EXPECT_EQ(said[1].text, at("a.pth") + ", which ENLARGE_MODELS names, is no folder");
}

TEST_F(pull, search_takes_words_scale_licence_and_family) {
    unsetenv(zoo::kRegistryVariable);
    const auto all = search_models({});
    ASSERT_TRUE(all.ok());
    const auto anime = search_models({.text = "anime", .scale = 2, .commercial = true});
    ASSERT_TRUE(anime.ok());
    EXPECT_GT(anime->size(), 5U);
    EXPECT_LT(anime->size(), all->size() / 4);
    for (const PublicModel& model : *anime) {
        EXPECT_EQ(model.scale, 2);
        EXPECT_EQ(model.commercial, true) << model.name;
    }
    const auto span = search_models({.family = "span", .runs = true});
    ASSERT_TRUE(span.ok());
    EXPECT_FALSE(span->empty());
    for (const PublicModel& model : *span) EXPECT_EQ(model.family, "SPAN");
    EXPECT_TRUE(search_models({.text = "anime no-such-word"})->empty());
    EXPECT_EQ(search_models({.text = "REALESRGAN x4plus"})->front().name, "RealESRGAN_x4plus_anime_6B");
}

TEST_F(pull, keeps_the_model_a_user_prefers) {
    setenv("XDG_CONFIG_HOME", home_.c_str(), 1);
    EXPECT_EQ(preferred_model(), "");
    ASSERT_TRUE(prefer_model("net").ok());
    EXPECT_EQ(preferred_model(), "net");
    ASSERT_TRUE(prefer_model("").ok());
    EXPECT_EQ(preferred_model(), "");
    ASSERT_TRUE(prefer_model("").ok()) << "undoing twice";
    EXPECT_FALSE(prefer_model("a\nb").ok());
    unsetenv("XDG_CONFIG_HOME");
}

}  // namespace
}  // namespace enlarge
