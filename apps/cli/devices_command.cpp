// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "enlarge/device.hpp"
#include "enlarge/report.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {

Action define_devices(CLI::App& app) {
    auto json = std::make_shared<bool>(false);
    app.add_flag("--json", *json, "One JSON object per device and line")->group("Output");
    auto report = std::make_shared<bool>(false);
    app.add_flag("--report", *report, "All that drivers say about themselves, as one text for a bug report")
        ->group("Output")
        ->excludes("--json");
    return [json, report] {
        if (*report) {
            std::istringstream lines(enlarge::devices_report());
            for (std::string line; std::getline(lines, line);) std::printf("%s\n", printable(line).c_str());
            return static_cast<int>(kOk);
        }
        bool any = false;
        for (const enlarge::DeviceInfo& device : enlarge::devices()) {
            any = any || device.usable;
            if (*json) {
                const JsonLine line = JsonLine("device").add("id", device.id).add("name", device.name).add("usable", device.usable)
                                          .add("memory", device.memory_bytes).add("detail", device.detail);
                std::printf("%s\n", line.text().c_str());
                continue;
            }
            std::printf("%-10s %s %s\n", device.id.c_str(), device.usable ? "yes" : "no ", printable(device.name).c_str());
            if (!device.detail.empty()) std::printf("%15s%s\n", "", printable(device.detail).c_str());
            if (device.memory_bytes > 0)
                std::printf("%15s%.1f GiB of memory\n", "", static_cast<double>(device.memory_bytes) / (1 << 30));
        }
        if (!any) return fail({enlarge::Errc::device, "nothing here can run networks"});
        return static_cast<int>(kOk);
    };
}

}  // namespace cli
