// SPDX-License-Identifier: GPL-2.0-or-later
// Images: what a VM boots. A catalogue entry is a folder IMAGES/<name>/ with image.yaml
// (docs/image-format.md), a kernel, an initramfs with its modules, and for all but initramfs-only
// images a root disk. Base images are read-only and shared; every VM writes to a copy-on-write
// overlay of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "plugins/config/config.h"
#include "plugins/os/process.h"

namespace holon::image {

struct Image {
    std::string name;  // catalogue name, or the path of a user's file
    std::string description;
    std::filesystem::path kernel;  // vmlinux or bzImage
    std::filesystem::path
        initrd;  // newc cpio, plain or compressed; holds modules and /holon/modules.load
    std::filesystem::path disk;  // root file system; empty: the initramfs is the root
    std::string disk_format;     // "qcow2" | "raw"
    std::uint64_t min_memory_mb = 0;
    std::string root;       // how the guest finds it: "/dev/vda", "/dev/vda1"; empty without a disk
    std::string root_type;  // file system on it: "ext4" (also for ext2 and ext3), "xfs"
    std::string command_line;  // added to the tuned one
    std::string identity;      // changes whenever any of the files does (sizes, mtimes, inode)
    std::uint64_t size_bytes = 0;
    bool user_file = false;
};

// As `holon image list --json` and `inspect` print it.
nlohmann::json to_json(const Image& image);

// All images of the catalogue, by name. A broken folder is returned with an empty kernel and the
// fault in description.
std::vector<Image> list(const config::Config& config);
// By catalogue name or path. Paths are inspected through a descriptor opened with WHO's rights; the
// file's kernel is that of config.images.user_file_kernel. Throws the line the user reads, with the
// images known here.
Image find(const config::Config& config, const std::string& name_or_path, const os::Identity& who);

// The initramfs of IMAGE with holon-guest appended, and, where ENGINE names that folder, with the
// engine of virtual SMPs (ssi/bundle): made once per (image, agent, engine) in CACHE_DIR and shared
// by all VMs (it holds no secrets; per-job settings travel over the channel). Returns its path.
std::filesystem::path initrd_with_agent(const Image& image, const std::filesystem::path& agent,
                                        const std::filesystem::path& cache_dir,
                                        const std::filesystem::path& engine = {});

// Of each image: whether that was done before, so that its next boot need not wait for it.
std::vector<bool> prepared(const std::vector<Image>& images, const std::filesystem::path& agent,
                           const std::filesystem::path& cache_dir);

// Makes the copy-on-write overlay, as WHO (the directory must be WHO's). No-op for images without a
// disk.
void create_overlay(const Image& image, const std::filesystem::path& overlay,
                    const os::Identity& who);

// The kernel command line: the tuned one, the image's own, and what holon-guest needs (rdinit,
// console, root).
std::string command_line(const Image& image);

// Building and changing the catalogue (root; `holon image build|import|rm`), in the first entry of
// config.images.path that can be written to. PROGRESS gets one line per phase. An image appears
// whole or not at all; one of the same name is replaced (VMs that run on it keep the old files,
// which are open).
using Progress = std::function<void(const std::string&)>;
// RECIPE: one of recipes(), or the path of a script called with an empty folder to fill
// (docs/image-format.md). An empty NAME is the recipe's own.
std::vector<std::string> recipes();
void build(const config::Config& config, const std::string& recipe, const std::string& name,
           const Progress& progress);
void import_disk(const config::Config& config, const std::filesystem::path& file,
                 const std::string& name, const Progress& progress);
void remove(const config::Config& config, const std::string& name);

}  // namespace holon::image
