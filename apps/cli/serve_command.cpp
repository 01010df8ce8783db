// SPDX-License-Identifier: Apache-2.0
// `enlarge serve`: a page and an HTTP service.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "command.hpp"
#include "engine_options.hpp"
#include "service/service.hpp"
#include "text.hpp"
#include "work/worker.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

struct Options {
    serve::ServeOptions serve;
    std::string token_file, upload, memory, disk;
    double pixels = 200, keep = 168;  // millions; hours
    int worker_socket = -1;
};

bool is_loopback(const std::string& address) { return address == "::1" || address.starts_with("127."); }

Result<std::string> data_folder() {
    const char* data = std::getenv("XDG_DATA_HOME");
    if (data && *data) return std::string(data) + "/enlarge/serve";
    const char* home = std::getenv("HOME");
    if (home && *home) return std::string(home) + "/.local/share/enlarge/serve";
    return Error{Errc::not_found,
                 "neither HOME nor XDG_DATA_HOME is set; --data names the folder for jobs and results"};
}

// Of RFC 6750, which are those of a cookie's value as well.
bool is_token_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

Result<void> take_token(Options& o) {
    if (const char* value = std::getenv("ENLARGE_TOKEN"); value && o.serve.token.empty() && o.token_file.empty())
        o.serve.token = value;
    if (!o.token_file.empty()) {
        std::ifstream file(o.token_file);
        if (!std::getline(file, o.serve.token)) return Error{Errc::io, o.token_file + ": no token can be read there"};
        if (o.serve.token.ends_with('\r')) o.serve.token.pop_back();
    }
    if (!std::all_of(o.serve.token.begin(), o.serve.token.end(), is_token_character))
        return Error{Errc::argument,
                     "the token has a character that does not travel in headers; letters, digits and -._~+/= do"};
    if ((!o.serve.token.empty() || !o.token_file.empty()) && o.serve.token.size() < 16)
        return Error{Errc::argument,
                     "the token has " + std::to_string(o.serve.token.size()) + " characters; at least 16 are expected"};
    if (o.serve.token.empty() && !is_loopback(o.serve.address))
        return Error{Errc::argument, "--listen " + o.serve.address +
                                         " lets others in, which needs a token: --token-file FILE, or ENLARGE_TOKEN; "
                                         "docs/serve.md says how to put TLS in front"};
    return {};
}

Result<void> take_sizes(Options& o) {
    for (const auto& [text, target] :
         {std::pair{&o.upload, &o.serve.upload_bytes}, std::pair{&o.memory, &o.serve.memory_bytes},
          std::pair{&o.disk, &o.serve.disk_bytes}}) {
        if (text->empty()) continue;
        const auto bytes = parse_bytes(*text);
        if (!bytes) return bytes.error();
        *target = *bytes;
    }
    o.serve.pixels = static_cast<std::int64_t>(o.pixels * 1e6);
    o.serve.keep_s = o.keep * 3600;
    if (!o.serve.prefix.empty() && (o.serve.prefix.front() != '/' || o.serve.prefix.back() == '/'))
        return Error{Errc::argument,
                     "--prefix '" + o.serve.prefix + "' should begin with '/' and not end with one, such as /enlarge"};
    return {};
}

int run_serve(Options& o) {
    if (o.worker_socket >= 0) return serve::run_worker(o.worker_socket, o.serve.devices.front(), o.serve.threads);
    if (auto taken = take_token(o); !taken) return fail(taken.error());
    if (auto taken = take_sizes(o); !taken) return fail(taken.error());
    if (o.serve.data.empty()) {
        const auto folder = data_folder();
        if (!folder) return fail(folder.error());
        o.serve.data = *folder;
    }
    char self[4096];
    const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
    if (length <= 0 || length == static_cast<ssize_t>(sizeof self))
        return fail({Errc::internal, "/proc/self/exe cannot be read"});
    o.serve.program.assign(self, static_cast<std::size_t>(length));

    ::umask(077);  // what is stored are strangers' pictures
    // Before there are threads: they all leave these signals to this one.
    sigset_t ends;
    sigemptyset(&ends);
    for (const int sig : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, sig);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    auto service = serve::Service::start(o.serve);
    if (!service) return fail(service.error());
    const bool six = o.serve.address.find(':') != std::string::npos;
    std::printf("http://%s:%d%s/\n", (six ? "[" + o.serve.address + "]" : o.serve.address).c_str(), (*service)->port(),
                o.serve.prefix.c_str());
    std::fflush(stdout);
    int sig = 0;
    sigwait(&ends, &sig);
    (*service)->stop();
    return kOk;
}

void define_limits(CLI::App& app, Options& o) {
    const char* g = "Limits";
    app.add_option("--max-upload", o.upload, "Largest upload (default: 2G)")->type_name("SIZE")->group(g);
    app.add_option("--max-pixels", o.pixels, "Most pixels of a picture or frame, before and after, in millions")
        ->type_name("MILLIONS")
        ->check(number(0.001, 1e6))
        ->capture_default_str()
        ->group(g);
    app.add_option("--queue", o.serve.queue, "How many may wait; more are answered with 429")
        ->type_name("N")
        ->check(whole(1, 100000))
        ->capture_default_str()
        ->group(g);
    app.add_option("--film-seconds", o.serve.film_s, "Longest work on a film")
        ->type_name("SECONDS")
        ->check(number(1, 1e7))
        ->capture_default_str()
        ->group(g);
    app.add_option("--keep", o.keep, "How long finished jobs and their files stay; 0: until they are deleted")
        ->type_name("HOURS")
        ->check(number(0, 1e6))
        ->capture_default_str()
        ->group(g);
    app.add_option("--disk", o.disk,
                   "Most bytes of uploads, jobs and results together (default: 50G); the oldest results go first")
        ->type_name("SIZE")
        ->group(g);
    app.add_option("--picture-seconds", o.serve.picture_s, "Longest work on a picture")
        ->type_name("SECONDS")
        ->check(number(1, 1e7))
        ->capture_default_str()
        ->group(g);
    app.add_option("--patience", o.serve.patience_s,
                   "How long a client may take for a request's head, or send or read less than 1 KiB a second")
        ->type_name("SECONDS")
        ->check(whole(1, 3600))
        ->capture_default_str()
        ->group(g);
    app.add_option(
           "--memory", o.memory,
           "Working memory of a worker besides the network's weights, such as 2G (default: half of what is free)")
        ->type_name("SIZE")
        ->group(g);
}

}  // namespace

Action define_serve(CLI::App& app) {
    auto options = std::make_shared<Options>();
    Options& o = *options;
    const char* g = "Address";
    app.add_option("--port", o.serve.port, "Port; 0: a free one")
        ->type_name("N")
        ->check(whole(0, 65535))
        ->capture_default_str()
        ->group(g);
    app.add_option("--listen", o.serve.address, "Address; others than this machine's own need a token")
        ->type_name("ADDRESS")
        ->capture_default_str()
        ->group(g);
    app.add_option("--token-file", o.token_file,
                   "File whose first line clients must show as a bearer token (ENLARGE_TOKEN does the same)")
        ->type_name("FILE")
        ->group(g);
    app.add_option("--token", o.serve.token, "The token itself; others on this machine can see it")
        ->type_name("TOKEN")
        ->group(g);
    app.add_option("--host-name", o.serve.names,
                   "Name that the server may be called by, besides addresses and localhost; several may be given")
        ->type_name("NAME")
        ->group(g);
    app.add_option("--prefix", o.serve.prefix, "Path under which a proxy shows the server, such as /enlarge")
        ->type_name("PATH")
        ->group(g);
    app.add_option("--data", o.serve.data,
                   "Folder for uploads, jobs and results (default: ~/.local/share/enlarge/serve)")
        ->type_name("DIR")
        ->group(g);
    app.add_option("-d,--device", o.serve.devices,
                   "Devices, one worker process each: auto, cpu, cuda:N, vulkan:N; several may be given")
        ->type_name("DEVICE")
        ->capture_default_str()
        ->group("Engine");
    app.add_option("--threads", o.serve.threads, "Processor threads of each worker; 0: all usable cores")
        ->type_name("N")
        ->check(whole(0, 4096))
        ->capture_default_str()
        ->group("Engine");
    define_limits(app, o);
    app.add_option("--worker-socket", o.worker_socket)->group("");
    return [options] { return run_serve(*options); };
}

}  // namespace cli
