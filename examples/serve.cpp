// SPDX-License-Identifier: Apache-2.0
// A small server's heart: one engine, a session per thread, limits, a time limit, and lines that go where the caller
// wants them. Run by ctest.
#include <enlarge/engine.hpp>

#include <cstdio>
#include <thread>
#include <vector>

namespace {

enlarge::Image make_stripes(enlarge::Size size, int width) {
    enlarge::Image image(size, enlarge::kRgb8);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < 3 * size.width; ++x) image.view().row(0, y)[x] = std::byte((x / 3 / width) % 2 ? 200 : 40);
    return image;
}

int fail(const enlarge::Error& error) {
    std::fprintf(stderr, "serve: %s\n", error.message.c_str());
    return 1;
}

// One request. Nothing is taken for pictures that are too large.
enlarge::Result<enlarge::Image> serve(enlarge::Engine::Session& session, const enlarge::Image& request) {
    const auto need = session.memory_for(request.size(), request.format());
    if (!need) return need.error();
    return session.upscale(request.view(), enlarge::OutputSize{}, {.cancel = enlarge::Cancellation::after(60)});
}

}  // namespace

int main() {
    const auto model = enlarge::Model::open("swift-x4");
    if (!model) return fail(model.error());
    enlarge::EngineOptions options;
    options.limits.pixels = 1'000'000;  // of a picture, before and after
    options.log = [](enlarge::LogLevel level, const enlarge::Notice& line) {
        if (level >= enlarge::LogLevel::notice) std::fprintf(stderr, "%s: %s\n", line.code.c_str(), line.text.c_str());
    };
    const auto engine = enlarge::Engine::create(*model, options);
    if (!engine) return fail(engine.error());
    std::printf("%s on %s\n", engine->info().description.c_str(), engine->info().device.name.c_str());

    std::vector<int> served(3);
    std::vector<std::thread> workers;
    for (std::size_t w = 0; w < served.size(); ++w)
        workers.emplace_back([&, w] {
            enlarge::Engine::Session session = engine->session();
            for (int i = 1; i <= 2; ++i) {
                const auto big = serve(session, make_stripes({40, 24}, i + static_cast<int>(w)));
                if (big && big->size() == enlarge::Size{160, 96}) ++served[w];
            }
        });
    for (std::thread& worker : workers) worker.join();
    for (const int count : served)
        if (count != 2) return 1;

    enlarge::Engine::Session session = engine->session();
    const auto refused = serve(session, make_stripes({400, 300}, 4));
    if (refused || refused.error().code != enlarge::Errc::limit) return 1;
    std::printf("6 pictures; one was refused: %s\n", refused.error().message.c_str());
    return 0;
}
