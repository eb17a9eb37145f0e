<?php
$config = [
    'admin' => ['core:AdminPassword'],
    'people' => [
        'exampleauth:UserPass',
        'alice:alice' => [
            'uid' => ['alice'],
            'mail' => ['alice@example.org'],
            'displayName' => ['Alice Ängström'],
            'givenName' => ['Alice'],
            'sn' => ['Ängström'],
            'groups' => ['staff', 'admins'],
        ],
        'bob:bob' => [
            'uid' => ['bob'],
            'mail' => ['bob@example.org'],
            'displayName' => ['Bob'],
            'groups' => ['guests'],
        ],
    ],
];
