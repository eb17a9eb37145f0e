<?php
// The service providers, by their entity IDs: what the test says of each.
$metadata = json_decode(getenv('SAML_SERVICE_PROVIDERS'), true);
