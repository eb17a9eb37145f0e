<?php
// The relying parties of WS-Federation, by their realms: what the test says of each.
$metadata = json_decode(getenv('WSFED_RELYING_PARTIES') ?: '{}', true);
