// SPDX-License-Identifier: Apache-2.0
// The list of commands and their manuals.
#include "command.hpp"

namespace cli {

const std::vector<Command>& commands() {
    static const std::vector<Command> list = {
        {"", "Makes pictures and video larger and cleaner", define_upscale},
        {"models", "Lists networks, fetches public ones, tells what a file holds", define_models},
        {"compare", "How alike two pictures are: PSNR, SSIM, largest difference", define_compare},
        {"devices", "What can run networks here, and why what cannot", define_devices},
        {"export", "Writes a network as ONNX for other programs", define_export},
        {"plan", "Divides a film into parts for many machines: a job", define_plan},
        {"work", "Makes parts of a job", define_work},
        {"join", "Makes the film of a job's parts, or of what is done so far", define_join},
        {"status", "How far a job is", define_status},
        {"serve", "A page in the browser, and an HTTP service for programs", define_serve},
        {"bench", "How fast networks run here", define_bench},
        {"completions", "Prints a completion script for bash, zsh or fish", define_completions},
    };
    return list;
}

Manual manual(const std::string& command) {
    if (command.empty())
        return {"Makes pictures and video larger and cleaner with Real-ESRGAN-family networks.",
                "  enlarge photo.jpg                            photo_x4.jpg beside it\n"
                "  enlarge photo.jpg -o big.png                 as PNG\n"
                "  enlarge old.mp4 -m swift-x2 -o new.mkv       video: sound, subtitles and times are kept\n"
                "  enlarge scan.tif --scale 2 -o scan2.tif      16 bit, ICC profile and EXIF stay\n"
                "  enlarge -r photos -o enlarged                a folder and its subfolders\n"
                "  enlarge *.png -o out/ --width 3840           several files, 3840 pixels wide\n"
                "  enlarge tape.avi --for tape -o tape.mkv      photo, drawing, text, film, tape or phone\n"
                "  enlarge huge.tif --preview 900,700,300,200   that part first, as the whole would have it\n"
                "  enlarge photo.jpg --try-models               one sheet by all networks, to choose from\n"
                "  enlarge old.jpg --denoise 0.3                keep some of the noise\n"
                "  cat a.png | enlarge - -o - --format png > b.png\n"};
    if (command == "compare")
        return {"Prints how alike two pictures of the same size are: PSNR over RGB and over luma (Y, studio range), SSIM of luma,\n"
                "and the largest difference of one sample in 1/255. With -o, writes a picture that shows both.",
                "  enlarge compare original.png result.png\n"
                "  enlarge compare a.png b.png -o side-by-side.png\n"
                "  enlarge compare a.png b.png -o split.png --split\n"};
    if (command == "devices")
        return {"Lists what can run networks on this machine, best first, and what cannot with the reason.",
                "  enlarge devices\n  enlarge devices --json\n  enlarge devices --report > report.txt\n"};
    if (command == "completions")
        return {"Prints a completion script for a shell.", "  enlarge completions bash > ~/.local/share/bash-completion/completions/enlarge\n"
                                                           "  enlarge completions zsh > ~/.zfunc/_enlarge\n"
                                                           "  enlarge completions fish > ~/.config/fish/completions/enlarge.fish\n"};
    if (command == "models")
        return {"Lists networks, fetches public ones, tells what a weight file holds, and whether it computes here what it should.",
                "  enlarge models list\n  enlarge models pull realesr-general-x4v3\n"
                "  enlarge models info ~/Downloads/4x_something.pth\n"
                "  enlarge models check ~/Downloads/4x_something.pth --picture photo.jpg\n"};
    if (command == "bench") return {"Measures the speed of a network on this machine. \"open ms\" is what reading the weights takes, \"load ms\" what follows until the\n"
                                 "first frame could start: unpacking them for this processor or GPU, and finding out which precision it may use.", "  enlarge bench\n  enlarge bench --models\n  enlarge bench -m realesr-general-x4v3 --size 320x180,640x360 --precision fp32,fp16,int16 --stages\n  enlarge bench --threads 1,2,4 --json\n"};
    if (command == "plan")
        return {"Looks through a film once and writes the folder of a job, which any number of machines then work on. All\n"
                "options of `enlarge FILM` for size, network and video are given here; docs/farm.md says the rest.",
                "  enlarge plan film.mkv -o film_x2.mkv -m swift-x2 --job job --chunk 60\n"
                "  enlarge plan film.mkv -o film_x2.mkv --job job --parts 100\n"};
    if (command == "work")
        return {"Makes the parts of a job that nobody else makes, until all are there; or with --task those that a scheduler\n"
                "says. Parts that are there are passed over. Start it on as many machines as see the folder.",
                "  enlarge work job\n  enlarge work job --task 7\n  enlarge work job --task auto     in an array of Slurm, ...\n"};
    if (command == "join")
        return {"Verifies every part of a job and makes the film: byte for byte the one that `enlarge FILM` makes on one machine.\n"
                "With --so-far, of what is done; also of the folder that an interrupted `enlarge FILM` left.",
                "  enlarge join job\n  enlarge join job --so-far -o look.mkv\n  enlarge join --so-far film_x2.mkv.enlarge\n"};
    if (command == "serve")
        return {"Serves over HTTP, on this machine alone unless --listen says otherwise: docs/serve.md.",
                "  enlarge serve\n"
                "  curl --data-binary @photo.jpg 'http://127.0.0.1:4848/v1/upscale?scale=2' -o big.jpg\n"
                "  enlarge serve --listen 0.0.0.0 --token-file secret --host-name pictures.example.org\n"};
    if (command == "status")
        return {"Shows which parts of a job are done, in work, silent or failed, and how long the rest takes.",
                "  enlarge status job\n  enlarge status job --json\n"};
    if (command == "export")
        return {"Writes a network as ONNX (opset 17) for ONNX Runtime, TensorRT, OpenVINO or DirectML: one input and one output,\n"
                "float, batch x channels x height x width with free sizes, values 0 to 1.",
                "  enlarge export swift-x4 --onnx -o swift-x4.onnx\n  enlarge export model.pth --half\n"};
    return {"", ""};
}

}  // namespace cli
