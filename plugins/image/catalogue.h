// SPDX-License-Identifier: GPL-2.0-or-later
// The catalogue: one folder per image in each entry of config.images.path, described by its
// image.yaml.
#pragma once

#include <filesystem>
#include <string>

#include "plugins/image/image.h"

namespace holon::image {

// Reads one folder. Throws holon::Error with file and line for a description that is wrong, and for
// files it names that are not there.
Image load_folder(const std::filesystem::path& folder);

// A name of the catalogue; the first entry of the path that has it wins. Throws the line with the
// names known here.
Image find_in_catalogue(const config::Config& config, const std::string& name);

// Letters, digits and "._+-", not starting with one of the latter, at most 64: a name is also a
// folder and never leads out of the catalogue. Throws otherwise.
void check_name(const std::string& name);

}  // namespace holon::image
